//! The pages of the five systems: every command on them is run, in its order, against a server that was started as
//! the page says.
#![allow(clippy::unwrap_used, clippy::panic)]

use postrider_testkit::certs::{Identity, self_signed};
use postrider_testkit::dns::Dns;
use postrider_testkit::foreign::Running;
use postrider_testkit::packages::installed;
use postrider_testkit::process::{Serve, free_port};
use postrider_testkit::proxy::Proxy;
use postrider_testkit::receiver::Receiver;
use serde_json::json;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_postrider");
const SYSTEMS: [&str; 5] = ["tellescope", "tiledesk", "scope", "uplodr", "telerivet"];

/// The commands of a page, a line each where they fit one.
fn commands(page: &str) -> Vec<String> {
    let blocks = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.flat_map(str::lines).map(str::to_owned).collect()
}

#[tokio::test]
async fn every_command_on_the_pages_of_the_systems_does_what_it_says() {
    for system in SYSTEMS {
        let page = format!("{}/../../docs/{system}.md", env!("CARGO_MANIFEST_DIR"));
        let page = std::fs::read_to_string(page).unwrap();
        let lines = commands(&page);
        let serve = format!("postrider serve --default-contract {system}");
        assert_eq!(lines[1], serve);

        let dir = TempDir::new().unwrap();
        let mut server = Serve::embedded(BINARY, dir.path());
        server.args = vec!["--default-contract".to_owned(), system.to_owned()];
        server.env.retain(|(name, _)| name != "POSTRIDER_API_KEY");
        server.env.push(("POSTRIDER_API_KEY".to_owned(), "a-key-that-you-choose".to_owned()));
        let process = server.start().await;
        // The server runs already, and elsewhere; what curl gets must be a success.
        let here = lines[0].replace("http://127.0.0.1:8071", &process.client.url);
        let rest = lines[2..].join("\n").replace("curl ", "curl -sSf ");
        let output = Command::new("bash").args(["-ec", &format!("{here}\n{rest}")]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{system}: {said}{}", String::from_utf8_lossy(&output.stderr));
        let calls = lines.iter().filter(|line| line.starts_with("curl ")).count();
        assert_eq!(said.matches(r#"{"id":""#).count(), calls, "{system}: {said}");
        // And the command that looks at it afterwards.
        let (_, after) = page.split_once("Then `postrider ").unwrap();
        let looks: Vec<&str> = after.split('`').next().unwrap().split(' ').collect();
        let mut look = Command::new(BINARY);
        look.args(looks).env("POSTRIDER_URL", &process.client.url).env("POSTRIDER_API_KEY", "a-key-that-you-choose");
        let output = look.output().unwrap();
        assert!(output.status.success(), "{system}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The page's server in PHP answers; what it and every command say is what the page has.
#[tokio::test]
async fn every_command_on_the_page_about_replies_does_what_it_says() {
    let page = include_str!("../../../docs/replies.md");
    let dir = TempDir::new().unwrap();
    if !installed("php", dir.path(), "", || {}) {
        return;
    }
    let script = page.split("```php\n").nth(1).unwrap().split("```").next().unwrap();
    std::fs::write(dir.path().join("poll.php"), script).unwrap();
    let port = free_port();
    let mut php = Command::new("php");
    php.args(["-S", &format!("127.0.0.1:{port}"), "poll.php"]).current_dir(dir.path());
    let php = Running::on_port(port, &mut php).await;
    let process = Serve::embedded(BINARY, dir.path()).start().await;
    let commands = commands(page).join("\n").replace("curl -sS ", "curl -sSf ");
    let commands = commands.replace("http://127.0.0.1:8071", &process.client.url);
    let commands = commands.replace("http://127.0.0.1:8000", &php.url);
    let mut bash = Command::new("bash");
    let output = bash.args(["-ec", &commands]).env("KEY", &process.client.key).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let contents: Vec<&str> =
        said.split(r#""content":""#).skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let replies: Vec<&&str> = contents.iter().filter(|content| content.contains(' ')).collect();
    assert_eq!(replies, [&"What is your name?", &"Thanks, Ann!"], "{said}");
    // The page says that a status goes where the one before went, and what a test number produces.
    assert_eq!(said.matches(r#""eventType":"send_status""#).count(), 4, "{said}");
    assert_eq!(said.matches(r#""deliverTo""#).count(), 0, "{said}");
}

#[tokio::test]
async fn a_certificate_that_the_page_about_networks_makes_is_trusted() {
    let page = include_str!("../../../docs/networks.md");
    let block = page.split("```sh\n").find(|block| block.starts_with("openssl ")).unwrap();
    let (make, serve) = block.split("```").next().unwrap().split_once("postrider serve ").unwrap();
    let dir = TempDir::new().unwrap();
    let made = Command::new("bash").args(["-ec", make]).current_dir(dir.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    let receiver = Receiver::start_tls(&Identity::from_pem(&read("hook.pem"), &read("hook.key"))).await;
    let dns = Dns::start().await;
    dns.set("hook.test", vec!["127.0.0.1".parse().unwrap()]);

    let mut server = Serve::embedded(BINARY, &dir.path().join("data"));
    let file =
        |word: &str| if word == "hook.pem" { dir.path().join(word).display().to_string() } else { word.to_owned() };
    server.args.extend(serve.split_whitespace().map(file));
    server.args.extend(["--dns".to_owned(), dns.addr().to_string()]);
    let process = server.start().await;
    let acme = process.client.application().await;
    process.client.endpoint(&acme, json!({"url": receiver.url_on("hook.test", "/hook")})).await;
    process.client.send(&acme, "a", json!({})).await;
    receiver.wait_for("/hook", 1).await;
}

#[tokio::test]
async fn the_commands_about_proxies_on_the_page_about_networks_do_what_they_say() {
    let page = include_str!("../../../docs/networks.md");
    let (_, page) = page.split_once("\n## Proxies\n").unwrap();
    let (Some(http), Some(socks)) = (Proxy::http().await, Proxy::socks().await) else { return };
    let lines = commands(page);
    let (receiver, dir) = (Receiver::start().await, TempDir::new().unwrap());
    let mut server = Serve::embedded(BINARY, dir.path());
    server.env.retain(|(name, _)| name != "POSTRIDER_API_KEY");
    server.env.push(("POSTRIDER_API_KEY".to_owned(), "a-key-that-you-choose".to_owned()));
    let serve = lines[0].strip_prefix("postrider serve ").unwrap();
    let serve = serve.replace("http://USER:PASSWORD@proxy.example.com:3128", &http.url());
    server.args.extend(serve.split(' ').map(str::to_owned));
    let process = server.start().await;
    let client = process.client.with_key("a-key-that-you-choose");
    let acme = client.application().await;
    client.endpoint(&acme, json!({"url": receiver.url("/hook")})).await;
    client.send(&acme, "a", json!({})).await;
    receiver.wait_for("/hook", 1).await;
    let asked = format!("127.0.0.1:{}", receiver.port());
    assert!(http.log().contains(&asked), "{}", http.log());

    let environment = client.get("/api/v1/environment").await.expect(200)["data"][0]["id"].as_str().unwrap().to_owned();
    let curl = lines[1..].join("\n").replace("curl ", "curl -sSf ").replace("ENVIRONMENT_ID", &environment);
    let curl = curl.replace("http://127.0.0.1:8071", &client.url);
    let curl = curl.replace("socks5://USER:PASSWORD@proxy.example.com:1080", &socks.url());
    let output = Command::new("bash").args(["-ec", &curl]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    client.send(&acme, "a", json!({})).await;
    receiver.wait_for("/hook", 2).await;
    assert!(socks.log().contains(&asked), "{}", socks.log());
}

#[tokio::test]
async fn the_commands_of_the_page_about_networks_secure_an_endpoint() {
    let page = include_str!("../../../docs/networks.md");
    let dir = TempDir::new().unwrap();
    let process = Serve::embedded(BINARY, &dir.path().join("data")).start().await;
    process.client.post("/api/v1/app", json!({"name": "Acme", "uid": "acme"})).await.expect(201);
    process.client.endpoint("acme", json!({"url": "https://hook.test/", "uid": "main"})).await;
    let identity = self_signed("postrider.test");
    let files = [
        ("client.pem", identity.chain_pem()),
        ("client-key.pem", identity.key_pem()),
        ("authority.pem", identity.chain_pem()),
        ("client-secret.txt", "secret"),
    ];
    files.iter().for_each(|(name, text)| std::fs::write(dir.path().join(name), text).unwrap());
    let blocks: Vec<&str> = page.split("```sh\n").filter(|block| block.starts_with("postrider endpoint ")).collect();
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        let command = block.split("```").next().unwrap().replace("postrider ", &format!("{BINARY} "));
        let mut bash = Command::new("bash");
        bash.args(["-ec", &command]).current_dir(dir.path()).env("POSTRIDER_URL", &process.client.url);
        let output = bash.env("POSTRIDER_TOKEN", &process.client.key).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let tls = process.client.get("/api/v1/app/acme/endpoint/main/tls").await.expect(200);
    assert_eq!(tls["clientCertificate"], identity.chain_pem());
    let oauth = process.client.get("/api/v1/app/acme/endpoint/main/oauth").await.expect(200);
    assert_eq!(oauth["scopes"], json!(["hooks"]));
}

#[test]
fn the_tests_that_the_pages_name_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for system in SYSTEMS {
        let page = std::fs::read_to_string(root.join(format!("docs/{system}.md"))).unwrap();
        let mut named = 0;
        for row in page.lines().filter(|line| line.starts_with("| ") && line.contains(".rs`")) {
            let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
            for part in tests.split("; ") {
                let mut quoted = part.split('`');
                let file = quoted.nth(1).unwrap();
                let dir =
                    if file.contains('/') && !file.starts_with("api/") { "crates" } else { "crates/postrider/tests" };
                let text =
                    std::fs::read_to_string(root.join(dir).join(file)).unwrap_or_else(|_| panic!("{system}: {file}"));
                let names = quoted.next().unwrap().split(['(', ',', ' ']).filter(|word| word.contains('_'));
                for name in names {
                    assert!(text.contains(&format!("fn {name}(")), "{system}: {file} has no {name}");
                    named += 1;
                }
            }
        }
        assert!(named > 3, "{system}: {named}");
    }
}
