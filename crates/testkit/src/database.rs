//! Which database a test runs on: the embedded one, or with `POSTRIDER_TEST_DRIVER=postgres` a new
//! PostgreSQL database for each data directory.

use std::path::Path;

/// Long enough for a busy machine, short enough to wait for.
const LEASE: &str = "lease=4";

/// The URL of the database that belongs to this data directory; `None`: the embedded one in it.
pub fn of(dir: &Path) -> Option<String> {
    if std::env::var("POSTRIDER_TEST_DRIVER").as_deref() != Ok("postgres") {
        return None;
    }
    let file = dir.join("database-url");
    if let Ok(url) = std::fs::read_to_string(&file) {
        return Some(url);
    }
    let url = fresh().expect("POSTRIDER_TEST_DRIVER=postgres needs the server that `scripts/services start` starts");
    std::fs::create_dir_all(dir).unwrap();
    std::fs::write(&file, &url).unwrap();
    Some(url)
}

/// A new database.
pub fn fresh() -> Option<String> {
    // On a thread of its own, because tests that start processes have no runtime to lend.
    let made = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(postrider_testdb::fresh())
    });
    made.join().unwrap().map(|url| format!("{url}?{LEASE}"))
}
