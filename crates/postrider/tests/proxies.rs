//! Deliveries through a proxy: the operator's, and an environment's own.
#![allow(clippy::unwrap_used, clippy::panic)]

use postrider_clock::Clock;
use postrider_egress::ProxySettings;
use postrider_testkit::app::{App, Start, eventually};
use postrider_testkit::certs::Authority;
use postrider_testkit::dns::Dns;
use postrider_testkit::process::{Serve, free_port};
use postrider_testkit::proxy::{PASSWORD, Proxy, Scripted, USER};
use postrider_testkit::receiver::Receiver;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_postrider");
const START_MS: i64 = 1_900_000_000_000;

fn through(url: &str) -> ProxySettings {
    ProxySettings::all(url, vec![])
}

/// The only attempt of a message to this URL, or the first of several.
async fn attempt_at(app: &App, url: &str) -> Value {
    let acme = app.application().await;
    app.endpoint(&acme, json!({"url": url, "retrySchedule": []})).await;
    let message = app.send(&acme, "a", json!({})).await;
    app.wait_for_attempts(&acme, &message, 1).await.pop().unwrap()
}

/// A name server that knows hook.test, a plain receiver, and one with TLS whose authority is in `ca_file`.
struct Net {
    dns: Dns,
    plain: Receiver,
    secure: Receiver,
    dir: TempDir,
}

impl Net {
    async fn start() -> Net {
        let (dns, dir, authority) = (Dns::start().await, TempDir::new().unwrap(), Authority::new());
        dns.set("hook.test", vec!["127.0.0.1".parse().unwrap()]);
        std::fs::write(dir.path().join("ca.pem"), authority.pem()).unwrap();
        let secure = Receiver::start_tls(&authority.identity(&["hook.test"])).await;
        Net { dns, plain: Receiver::start().await, secure, dir }
    }

    fn app(&self) -> Start {
        Start { dns: Some(self.dns.addr()), ca_file: Some(self.dir.path().join("ca.pem")), ..Start::default() }
    }

    /// One delivery to each receiver.
    async fn deliver(&self, app: &App) {
        for receiver in [&self.plain, &self.secure] {
            let attempt = attempt_at(app, &receiver.url_on("hook.test", "/hook")).await;
            assert_eq!(attempt["statusText"], "success", "{attempt}");
        }
    }

    /// The proxy was asked for both, by their addresses.
    fn came_through(&self, proxy: &Proxy) {
        let log = proxy.log();
        for receiver in [&self.plain, &self.secure] {
            assert!(log.contains(&format!("127.0.0.1:{}", receiver.port())), "{log}");
        }
        assert!(!log.contains("hook.test"), "{log}");
    }
}

#[tokio::test]
async fn deliveries_go_through_the_operators_proxy_by_checked_addresses() {
    let net = Net::start().await;
    for proxy in [Proxy::http().await, Proxy::socks().await] {
        let Some(proxy) = proxy else { continue };
        let app = Start { proxy: through(&proxy.url()), ..net.app() }.start().await;
        net.deliver(&app).await;
        net.came_through(&proxy);
    }
}

#[tokio::test]
async fn an_address_that_is_not_permitted_is_refused_before_the_proxy_is_asked() {
    let proxy = Scripted::start("HTTP/1.1 200 OK\r\n\r\n").await;
    let dns = Dns::start().await;
    let addresses = [("private.test", "10.1.2.3"), ("metadata.test", "169.254.169.254"), ("loopback.test", "::1")];
    addresses.iter().for_each(|(name, address)| dns.set(name, vec![address.parse().unwrap()]));
    let app = Start { proxy: through(&proxy.url()), dns: Some(dns.addr()), ..Start::default() }.start().await;
    for url in ["http://private.test/", "https://metadata.test/", "http://loopback.test/"] {
        let attempt = attempt_at(&app, url).await;
        assert_eq!(attempt["error"]["code"], "refused_address", "{attempt}");
    }
    assert_eq!(proxy.connections(), 0);
}

#[tokio::test]
async fn what_needs_no_proxy_is_sent_to_directly() {
    let net = Net::start().await;
    let proxy = Scripted::start("HTTP/1.1 403 Forbidden\r\n\r\n").await;
    let settings = ProxySettings::all(&proxy.url(), vec!["test".to_owned()]);
    net.deliver(&Start { proxy: settings, ..net.app() }.start().await).await;
    assert_eq!(proxy.connections(), 0);
}

#[tokio::test]
async fn an_attempt_says_what_the_proxy_did() {
    for (answer, code, reason) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "proxy", "proxy requires a user and password"),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "proxy", "proxy refused the connection (status 403)"),
        ("SSH-2.0-OpenSSH_9.6\r\n\r\n", "proxy", "proxy did not answer with HTTP"),
        ("", "proxy", "proxy closed the connection without an answer"),
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", "connect", "the proxy could not reach it (status 503)"),
    ] {
        let proxy = Scripted::start(answer).await;
        let app = Start { proxy: through(&proxy.url()), ..Start::default() }.start().await;
        let attempt = attempt_at(&app, "http://127.0.0.1:9/").await;
        assert_eq!(attempt["error"]["code"], code, "{attempt}");
        let message = attempt["error"]["message"].as_str().unwrap();
        assert!(message.contains(reason), "{message:?} does not say {reason:?}");
    }
    let Some(proxy) = Proxy::http().await else { return };
    let wrong = proxy.url().replace(PASSWORD, "wrong");
    let app = Start { proxy: through(&wrong), ..Start::default() }.start().await;
    let attempt = attempt_at(&app, "http://127.0.0.1:9/").await;
    assert_eq!(attempt["error"]["message"], "the provider's proxy refused the user and password (status 401)");
}

#[tokio::test]
async fn a_proxy_that_fails_costs_no_try_and_says_nothing_about_the_endpoint() {
    let (clock, port, receiver) = (Clock::manual(START_MS), free_port(), Receiver::start().await);
    let url = format!("http://{USER}:{PASSWORD}@127.0.0.1:{port}");
    let app = Start { clock: clock.clone(), proxy: through(&url), ..Start::default() }.start().await;
    let acme = app.application().await;
    // One retry, so a third attempt is one that did not count.
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/hook"), "retrySchedule": [1]})).await;
    let message = app.send(&acme, "a", json!({})).await;
    for n in 1..=5 {
        let attempts = app.wait_for_attempts(&acme, &message, n).await;
        assert_eq!(attempts[0]["error"]["code"], "proxy", "{}", attempts[0]);
        assert_eq!(app.states(&acme, &message).await, ["pending"], "after {n} attempts");
        clock.advance(Duration::from_secs(20));
    }
    let circuit = app.get(&format!("/api/v1/app/{acme}/endpoint/{endpoint}/circuit")).await.expect(200);
    assert_eq!(circuit["state"], "closed", "{circuit}");
    assert_eq!((&circuit["since"], &circuit["heldUntil"]), (&Value::Null, &Value::Null), "{circuit}");
    let metrics = app.get("/metrics").await.expect(200);
    assert!(metrics.as_str().unwrap().contains(r#"postrider_attempt_errors_total{code="proxy"}"#), "{metrics}");

    let Some(_proxy) = Proxy::http_on(port).await else { return };
    let arrived = async || {
        clock.advance(Duration::from_secs(10));
        app.states(&acme, &message).await == ["success"]
    };
    assert!(eventually(arrived).await);
    assert_eq!(receiver.count("/hook"), 1);
}

#[tokio::test]
async fn a_message_is_not_tried_for_ever_through_a_proxy_that_refuses() {
    let clock = Clock::manual(START_MS);
    let proxy = Scripted::start("HTTP/1.1 403 Forbidden\r\n\r\n").await;
    let app = Start { clock: clock.clone(), proxy: through(&proxy.url()), ..Start::default() }.start().await;
    let acme = app.application().await;
    app.endpoint(&acme, json!({"url": "http://127.0.0.1:9/", "retrySchedule": [1]})).await;
    let message = app.send(&acme, "a", json!({})).await;
    app.wait_for_attempts(&acme, &message, 1).await;
    for n in 2..=3 {
        clock.advance(Duration::from_secs(86_400));
        app.wait_for_attempts(&acme, &message, n).await;
    }
    assert_eq!(app.states(&acme, &message).await, ["fail"], "its schedule is over");
}

#[tokio::test]
async fn the_variables_of_the_machine_are_read_as_other_programs_read_them() {
    let (net, Some(proxy)) = (Net::start().await, Proxy::http().await) else { return };
    let data = TempDir::new().unwrap();
    let mut server = Serve::new(BINARY, data.path());
    server.args.extend(["--dns".to_owned(), net.dns.addr().to_string()]);
    let set = [("HTTP_PROXY", proxy.url()), ("NO_PROXY", "direct.test".to_owned())];
    server.env.extend(set.map(|(name, value)| (name.to_owned(), value)));
    net.dns.set("direct.test", vec!["127.0.0.1".parse().unwrap()]);
    let process = server.start().await;
    let acme = process.client.application().await;
    let asked = format!("127.0.0.1:{}", net.plain.port());
    for (host, path, count) in [("127.0.0.1", "/a", 0), ("direct.test", "/b", 0), ("hook.test", "/c", 1)] {
        let endpoint = json!({"url": net.plain.url_on(host, path), "eventTypes": [host]});
        process.client.post("/api/v1/event-type", json!({"name": host, "description": ""})).await.expect(201);
        process.client.endpoint(&acme, endpoint).await;
        process.client.send(&acme, host, json!({})).await;
        net.plain.wait_for(path, 1).await;
        assert_eq!(proxy.log().matches(&format!("CONNECT {asked}")).count(), count, "{host}: {}", proxy.log());
    }
}

#[test]
fn a_proxy_that_can_not_be_used_stops_the_start_and_its_password_is_not_printed() {
    let data = TempDir::new().unwrap();
    let mut server = Serve::embedded(BINARY, data.path());
    server.args.extend(["--egress-proxy", "https://ann:s3cret@proxy.test:3128"].map(str::to_owned));
    let output = server.command().output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && !said.contains("s3cret"), "{said}");
    assert!(said.contains("--egress-proxy: this proxy can't be used: \"https\" is not a supported type"), "{said}");
}

async fn environment(app: &App) -> String {
    let page = app.get("/api/v1/environment").await.expect(200);
    format!("/api/v1/environment/{}", page["data"][0]["id"].as_str().unwrap())
}

fn contains(dir: &Path, text: &str) -> bool {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    files
        .map(|file| std::fs::read(file).unwrap())
        .any(|bytes| bytes.windows(text.len()).any(|at| at == text.as_bytes()))
}

#[tokio::test]
async fn an_environment_has_a_proxy_of_its_own_whose_password_is_not_shown() {
    let (net, Some(proxy)) = (Net::start().await, Proxy::http().await) else { return };
    let elsewhere = Scripted::start("HTTP/1.1 403 Forbidden\r\n\r\n").await;
    let usual = through(&elsewhere.url());
    let app = Start { proxy: usual.clone(), ..net.app() }.start().await;
    let path = environment(&app).await;
    let given = json!({"proxy": {"url": proxy.url(), "noProxy": ["example.com", "10.0.0.0/8"]}});
    let shown = app.patch(&path, given).await.expect(200);
    let masked = format!("http://{USER}:***@{}/", proxy.place);
    assert_eq!(shown["proxy"], json!({"url": masked, "noProxy": ["example.com", "10.0.0.0/8"]}));
    net.deliver(&app).await;
    net.came_through(&proxy);
    assert_eq!(elsewhere.connections(), 0);

    // Given back as it was shown, or not at all, it stays; also over a restart, and sealed.
    app.patch(&path, json!({"name": "Production"})).await.expect(200);
    app.patch(&path, json!({"proxy": {"url": masked}})).await.expect(200);
    let dir = app.stop().await;
    assert!(!contains(dir.path(), PASSWORD));
    let app = Start { proxy: usual, dir: Some(dir), ..net.app() }.start().await;
    net.deliver(&app).await;
    assert_eq!(app.get(&path).await.expect(200)["proxy"], json!({"url": masked, "noProxy": []}));
    let exported = app.post("/api/v1/environment/export", json!({})).await.expect(200);
    assert!(!exported.to_string().contains(&proxy.place), "{exported}");

    app.patch(&path, json!({"proxy": null})).await.expect(200);
    let attempt = attempt_at(&app, &net.plain.url_on("hook.test", "/hook")).await;
    assert_eq!(attempt["error"]["code"], "proxy", "the operator's again: {attempt}");
}

#[tokio::test]
async fn the_proxy_of_an_environment_is_checked() {
    let app = Start { allow: vec![], ..Start::default() }.start().await;
    let path = environment(&app).await;
    for proxy in [
        json!({"url": "ftp://p.test:1"}),
        json!({"url": "p.test:3128"}),
        json!({"url": "http://p.test:3128/path"}),
        json!({"url": "http://ann:***@p.test:3128"}),
        json!({"url": "http://p.test:3128", "noProxy": ["a, b"]}),
    ] {
        app.patch(&path, json!({"proxy": proxy})).await.expect(422);
    }
    // It is not the operator's, so it must be at a public address as endpoints must.
    let proxy = Scripted::start("HTTP/1.1 200 OK\r\n\r\n").await;
    app.patch(&path, json!({"proxy": {"url": proxy.url()}})).await.expect(200);
    let attempt = attempt_at(&app, "http://192.0.43.8/").await;
    assert_eq!(attempt["error"]["code"], "proxy", "{attempt}");
    assert!(attempt["error"]["message"].as_str().unwrap().contains("its address is not public"), "{attempt}");
    assert_eq!(proxy.connections(), 0);
}
