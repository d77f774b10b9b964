//! `postrider doctor`: what it says of an installation that is well, and of each thing that can be wrong.
#![allow(clippy::unwrap_used, clippy::panic)]

use postrider_testkit::app::eventually;
use postrider_testkit::database;
use postrider_testkit::process::{Process, Serve, free_port};
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_postrider");
/// The first character of its 32 bytes differs from the test kit's.
const OTHER_KEY: &str = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU=";

fn doctor(serve: &Serve, args: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.env_clear().envs(serve.env.iter().cloned()).current_dir(&serve.data).arg("doctor");
    command.args(["--data", serve.data.to_str().unwrap()]);
    if let Some(url) = &serve.database {
        command.args(["--database", url]);
    }
    command.args(args).output().unwrap()
}

/// What it says, with numbers, and how full this machine's disk is, left out.
fn said(serve: &Serve) -> String {
    let output = doctor(serve, &[]);
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let text = with_room(&text.replace(serve.data.to_str().unwrap(), "[dir]"));
    let mut tidy = String::new();
    for line in text.lines() {
        match line.split_once("  disk ") {
            Some((status, _)) => tidy.push_str(&format!("{status}  disk [room]\n")),
            None => tidy.push_str(&format!("{}\n", without_numbers(line))),
        }
    }
    format!("{tidy}exit {}", output.status.code().unwrap())
}

/// The same on a machine whose disk has room.
fn with_room(text: &str) -> String {
    let advice = "                        Make room, or move the data to a larger disk: when it is full, messages are refused.\n";
    if !text.contains(advice) {
        return text.to_owned();
    }
    let text = text.replace(advice, "").replace("warning  disk", "ok       disk");
    let counted = [
        ("No problem, 1 warning.", "All is well."),
        (", 1 warning.", "."),
        (", 2 warnings.", ", 1 warning."),
        (", 3 warnings.", ", 2 warnings."),
    ];
    let (before, after) = counted.into_iter().find(|(before, _)| text.contains(before)).unwrap();
    text.replace(before, after)
}

fn without_numbers(line: &str) -> String {
    let mut tidy = String::new();
    for c in line.chars() {
        match c {
            '0'..='9' if tidy.ends_with('N') => {}
            '0'..='9' => tidy.push('N'),
            c => tidy.push(c),
        }
    }
    tidy
}

/// All that lies there, but for SQLite's shared memory, where a reader leaves its locks.
fn listing(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let kept = paths.filter(|path| path.extension().is_none_or(|extension| extension != "db-shm"));
    kept.map(|path| (path.display().to_string(), std::fs::read(&path).unwrap())).collect()
}

async fn stop(process: Process) {
    process.signal("TERM");
    assert!(process.ended().await.success());
}

#[tokio::test]
async fn an_installation_that_is_well() {
    let dir = TempDir::new().unwrap();
    let serve = Serve::embedded(BINARY, dir.path());
    insta::assert_snapshot!(said(&serve), @r"
    ok       configuration  the flags, variables and file are understood
    warning  database       there is none in [dir] yet
                            `postrider serve` makes it. If it should be there, say where with --data or POSTRIDER_DATA.
    ok       versions       Postrider N.N.N, SQLite N.N.N
    ok       permissions    the data can be written
    ok       disk [room]
    ok       clock          the wall clock is set
    No problem, N warning.
    exit 0
    ");
    let server = serve.start().await;
    server.client.application().await;
    insta::assert_snapshot!(said(&serve), @r"
    ok       configuration  the flags, variables and file are understood
    ok       database       the one in [dir] opens
    ok       schema         it has version N, the newest
    ok       secret key     it is the one that the data was made with
    ok       versions       Postrider N.N.N, SQLite N.N.N
    ok       permissions    the data can be written
    ok       disk [room]
    ok       clock          the wall clock is set
    All is well.
    exit 0
    ");
    server.client.application().await;
    stop(server).await;

    let before = listing(dir.path());
    let output = doctor(&serve, &["--json"]);
    assert!(listing(dir.path()) == before, "it changes nothing");
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["ok"], output.status.code()), (&Value::Bool(true), Some(0)));
    let database = &json["checks"][1];
    assert_eq!((&database["name"], &database["status"]), (&"database".into(), &"ok".into()));
}

#[tokio::test]
async fn what_is_wrong_with_a_data_directory() {
    let dir = TempDir::new().unwrap();
    let mut serve = Serve::embedded(BINARY, dir.path());
    serve.env.retain(|(name, _)| name != "POSTRIDER_SECRET_KEY");
    stop(serve.start().await).await;
    let key = dir.path().join("secret.key");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    insta::assert_snapshot!(said(&serve), @r"
    ok       configuration  the flags, variables and file are understood
    ok       database       the one in [dir] opens
    ok       schema         it has version N, the newest
    ok       secret key     it is the one that the data was made with
    ok       versions       Postrider N.N.N, SQLite N.N.N
    problem  permissions    others may use the key file [dir]/secret.key (mode N)
                            chmod N [dir]/secret.key
    ok       disk [room]
    ok       clock          the wall clock is set
    N problem.
    exit 1
    ");

    std::fs::write(&key, format!("{OTHER_KEY}\n")).unwrap();
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    let database = dir.path().join("postrider.db");
    rusqlite::Connection::open(&database).unwrap().pragma_update(None, "user_version", 99).unwrap();
    insta::assert_snapshot!(said(&serve), @r"
    ok       configuration  the flags, variables and file are understood
    ok       database       the one in [dir] opens
    problem  schema         it has version N, and this Postrider knows N
                            Start the newer Postrider that the data was written by.
    problem  secret key     the data was made with another key, so no secret can be read
                            Start with the POSTRIDER_SECRET_KEY (or the key file) that the data was made with.
    ok       versions       Postrider N.N.N, SQLite N.N.N
    ok       permissions    the data can be written, and the key file is ours alone
    ok       disk [room]
    ok       clock          the wall clock is set
    N problems.
    exit 1
    ");

    std::fs::remove_file(&key).unwrap();
    std::fs::write(&database, "this is no database, and long enough to be looked at. ".repeat(100)).unwrap();
    insta::assert_snapshot!(said(&serve), @r"
    ok       configuration  the flags, variables and file are understood
    problem  database       can't open the database: file is not a database
                            Run this as the user that the server runs as; if the file is damaged, put back a backup.
    ok       versions       Postrider N.N.N, SQLite N.N.N
    ok       permissions    the data can be written
    ok       disk [room]
    ok       clock          the wall clock is set
    N problem.
    exit 1
    ");

    std::fs::write(dir.path().join("postrider.toml"), "data = 7\n").unwrap();
    insta::assert_snapshot!(said(&serve), @r"
    problem  configuration  can't read postrider.toml: TOML parse error at line N, column N
                              |
                            N | data = N
                              |        ^
                            invalid type: integer `N`, expected path string
                            Correct it; `postrider serve --help` lists the flags, the variables and the file's keys.
    N problem.
    exit 1
    ");
}

#[tokio::test]
async fn an_installation_on_postgresql() {
    let Some(url) = database::fresh() else { return };
    let dir = TempDir::new().unwrap();
    let serve = Serve { database: Some(url.clone()), ..Serve::new(BINARY, dir.path()) };
    insta::assert_snapshot!(said(&serve), @r"
    ok       configuration  the flags, variables and file are understood
    ok       database       it answers; the data takes N.N MiB on its disk
    ok       schema         there are no tables yet; the first start makes them
    ok       secret key     there is no data yet, so any key will do
    ok       durability     synchronous_commit is on, fsync is on
    ok       permissions    this user may make tables
    ok       connections    N of N are in use; the running servers and one more may want N
    ok       versions       Postrider N.N.N, PostgreSQL N.N
    ok       servers        none is running
    ok       clocks         the database's and ours differ by N ms
    ok       clock          the wall clock is set
    All is well.
    exit 0
    ");
    let server = serve.start().await;
    insta::assert_snapshot!(said(&serve), @r"
    ok       configuration  the flags, variables and file are understood
    ok       database       it answers; the data takes N.N MiB on its disk
    ok       schema         it has version N, the newest
    ok       secret key     it is the one that the data was made with
    ok       durability     synchronous_commit is on, fsync is on
    ok       permissions    this user may make tables
    ok       connections    N of N are in use; the running servers and one more may want N
    ok       versions       Postrider N.N.N, PostgreSQL N.N
    ok       servers        N running: N.N.N.N:N, process N
    ok       clocks         the database's and ours differ by N ms
    ok       clock          the wall clock is set
    All is well.
    exit 0
    ");
    server.kill();
    let gone = eventually(async || said(&serve).contains("gone")).await;
    assert!(gone, "{}", said(&serve));
    insta::assert_snapshot!(said(&serve), @r"
    ok       configuration  the flags, variables and file are understood
    ok       database       it answers; the data takes N.N MiB on its disk
    ok       schema         it has version N, the newest
    ok       secret key     it is the one that the data was made with
    ok       durability     synchronous_commit is on, fsync is on
    ok       permissions    this user may make tables
    ok       connections    N of N are in use; the running servers and one more may want N
    ok       versions       Postrider N.N.N, PostgreSQL N.N
    warning  servers        N gone, and nobody has taken over from them yet: N.N.N.N:N, process N
                            Start a server: it takes over at once.
    ok       clocks         the database's and ours differ by N ms
    ok       clock          the wall clock is set
    No problem, N warning.
    exit 0
    ");
}

#[tokio::test]
async fn what_is_wrong_with_a_postgresql_database() {
    let Some(url) = database::fresh() else { return };
    let dir = TempDir::new().unwrap();
    let mut serve = Serve { database: Some(url.clone()), ..Serve::new(BINARY, dir.path()) };
    stop(serve.start().await).await;
    let plain = url.split('?').next().unwrap();
    let (client, name) = (postrider_testdb::connect(plain).await.unwrap(), plain.rsplit('/').next().unwrap());
    client
        .batch_execute(&format!(
            "ALTER DATABASE {name} SET synchronous_commit = off; UPDATE nodes SET adopted = true;
             INSERT INTO postrider_schema (version) SELECT max(version) + 1 FROM postrider_schema"
        ))
        .await
        .unwrap();
    serve.env = vec![("POSTRIDER_SECRET_KEY".into(), OTHER_KEY.into())];
    insta::assert_snapshot!(said(&serve), @r"
    ok       configuration  the flags, variables and file are understood
    ok       database       it answers; the data takes N.N MiB on its disk
    warning  schema         it has version N, and this Postrider knows N: a newer one runs beside it
                            It works for now; bring this one to the newer version too.
    problem  secret key     the data was made with another key, so no secret can be read
                            Start with the POSTRIDER_SECRET_KEY (or the key file) that the data was made with.
    warning  durability     synchronous_commit is off: a crash of the database loses messages that were accepted
                            Set synchronous_commit = on in postgresql.conf, and for this database and user.
    ok       permissions    this user may make tables
    ok       connections    N of N are in use; the running servers and one more may want N
    ok       versions       Postrider N.N.N, PostgreSQL N.N
    ok       servers        none is running
    ok       clocks         the database's and ours differ by N ms
    ok       clock          the wall clock is set
    N problem, N warnings.
    exit 1
    ");
    client.batch_execute("INSERT INTO postrider_schema (version) VALUES (99)").await.unwrap();
    serve.env.clear();
    insta::assert_snapshot!(said(&serve), @r"
    ok       configuration  the flags, variables and file are understood
    ok       database       it answers; the data takes N.N MiB on its disk
    problem  schema         it has version N, and this Postrider knows N
                            Start the newer Postrider that the data was written by.
    problem  secret key     with PostgreSQL, POSTRIDER_SECRET_KEY must be set, the same on every server: N bytes in standard baseN. Make one with `openssl rand -baseN N`, and keep it
                            Set it to the key that the data was made with.
    warning  durability     synchronous_commit is off: a crash of the database loses messages that were accepted
                            Set synchronous_commit = on in postgresql.conf, and for this database and user.
    ok       permissions    this user may make tables
    ok       connections    N of N are in use; the running servers and one more may want N
    ok       versions       Postrider N.N.N, PostgreSQL N.N
    ok       servers        none is running
    ok       clocks         the database's and ours differ by N ms
    ok       clock          the wall clock is set
    N problems, N warning.
    exit 1
    ");

    serve.database = Some(format!("postgres://postgres:geheim@127.0.0.1:{}/none", free_port()));
    let unreachable = said(&serve);
    assert!(!unreachable.contains("geheim"), "{unreachable}");
    insta::assert_snapshot!(unreachable, @r"
    ok       configuration  the flags, variables and file are understood
    problem  database       can't open the database: error connecting to server: Connection refused (os error N)
                            Correct the URL (--database or POSTRIDER_DATABASE), or start PostgreSQL; `psql URL` tells more.
    problem  secret key     with PostgreSQL, POSTRIDER_SECRET_KEY must be set, the same on every server: N bytes in standard baseN. Make one with `openssl rand -baseN N`, and keep it
                            Set it to the key that the data was made with.
    ok       clock          the wall clock is set
    N problems.
    exit 1
    ");
}

#[test]
fn both_commands_teach_with_an_example() {
    for command in ["doctor", "migrate"] {
        let url = "postgres://user:geheim@db/x";
        let output = Command::new(BINARY).args([command, "--help"]).env("POSTRIDER_DATABASE", url).output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(help.contains(&format!("Example:\n  postrider {command} --")), "{help}");
        assert!(command == "doctor" || !help.contains("geheim"), "{help}");
    }
}
