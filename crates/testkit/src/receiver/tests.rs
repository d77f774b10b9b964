use super::wait::PATIENCE;
use super::{Answer, Receiver};
use crate::certs::Authority;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> io::Result<String> {
    stream.write_all(request.as_bytes()).await?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await?;
    Ok(response)
}

async fn post(receiver: &Receiver, target: &str, id: &str, body: &str) -> io::Result<String> {
    let length = body.len();
    let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\nWebhook-Id: {id}\r\nX-Two: a\r\nX-Two: b");
    let request = format!("{head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    exchange(TcpStream::connect(receiver.addr()).await?, &request).await
}

#[tokio::test]
async fn it_records_what_comes_and_answers_as_told() {
    let receiver = Receiver::start().await;
    let busy = Answer::status(503).header("retry-after", "7").body("later").delay(Duration::from_millis(50));
    receiver.answer_in_turn("/hook", vec![busy, Answer::status(204)]);

    let asked = Instant::now();
    let first = post(&receiver, "/hook?a=1", "m1", r#"{"n":1}"#).await.unwrap();
    assert!(asked.elapsed() >= Duration::from_millis(50));
    assert!(first.starts_with("HTTP/1.1 503 ") && first.contains("retry-after: 7\r\n") && first.ends_with("later"));
    for _ in 0..2 {
        assert!(post(&receiver, "/hook", "m2", "{}").await.unwrap().starts_with("HTTP/1.1 204 "));
    }
    assert!(post(&receiver, "/other", "m3", "").await.unwrap().starts_with("HTTP/1.1 200 "));

    let came = receiver.wait_for("/hook", 3).await;
    assert_eq!(came.len(), 3);
    assert_eq!((came[0].method.as_str(), came[0].query.as_deref()), ("POST", Some("a=1")));
    assert_eq!(came[0].json()["n"], 1);
    assert_eq!(came[0].header("Webhook-ID"), Some("m1"));
    let names: Vec<&str> = came[0].headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["host", "webhook-id", "x-two", "x-two", "content-length", "connection"]);
    assert!(came[0].at <= came[1].at);
    assert_eq!((receiver.count("/hook"), receiver.count("/nowhere"), receiver.all().len()), (3, 0, 4));
    assert_eq!(receiver.ids("/hook"), HashMap::from([("m1".into(), 1), ("m2".into(), 2)]));
}

#[tokio::test]
async fn waiting_ends_when_the_request_comes() {
    let receiver = Arc::new(Receiver::start().await);
    let waiter = tokio::spawn({
        let receiver = receiver.clone();
        async move { receiver.wait_for("/hook", 1).await.len() }
    });
    receiver.expect_silence("/hook", Duration::from_millis(50)).await;
    assert!(!waiter.is_finished());
    post(&receiver, "/hook", "m1", "{}").await.unwrap();
    assert_eq!(waiter.await.unwrap(), 1);
}

#[tokio::test]
#[should_panic(expected = "for 2 requests to /hook; there were 1\n  POST /hook (m1, 2 bytes): {}\n  and 1 to /other")]
async fn waiting_in_vain_tells_what_came() {
    let receiver = Receiver::start().await;
    post(&receiver, "/hook", "m1", "{}").await.unwrap();
    post(&receiver, "/other", "m2", "{}").await.unwrap();
    receiver.wait_for_within("/hook", 2, Duration::from_millis(50)).await;
}

#[tokio::test]
#[should_panic(expected = "expected no request to /hook after the first 0")]
async fn a_request_breaks_the_silence() {
    let receiver = Receiver::start().await;
    tokio::join!(receiver.expect_silence("/hook", PATIENCE), post(&receiver, "/hook", "m1", "{}")).1.unwrap();
}

#[tokio::test]
async fn counting_keeps_ids_and_no_requests() {
    let receiver = Receiver::counting().await;
    post(&receiver, "/hook", "m1", "{}").await.unwrap();
    post(&receiver, "/hook", "m1", "{}").await.unwrap();
    assert!(receiver.wait_for("/hook", 2).await.is_empty());
    assert_eq!(receiver.ids("/hook"), HashMap::from([("m1".into(), 2)]));
    assert!(receiver.all().is_empty());
}

#[tokio::test]
async fn it_stops_and_starts_again_on_its_port() {
    let receiver = Receiver::start().await;
    let mut open = TcpStream::connect(receiver.addr()).await.unwrap();
    open.write_all(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    receiver.wait_for("/a", 1).await;
    receiver.stop().await;
    assert!(post(&receiver, "/a", "m1", "").await.is_err());
    let _ = timeout(PATIENCE, open.read_to_end(&mut vec![])).await.expect("the open connection breaks");

    receiver.restart().await;
    post(&receiver, "/a", "m2", "").await.unwrap();
    assert_eq!(receiver.count("/a"), 2);

    let addr = receiver.addr();
    drop(receiver);
    while TcpStream::connect(addr).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let second = Receiver::start_on(addr).await;
    assert_eq!((second.port(), second.count("/a")), (addr.port(), 0));
}

#[tokio::test]
async fn it_speaks_tls_under_its_identity() {
    let authority = Authority::new();
    let receiver = Receiver::start_tls(&authority.identity(&["localhost", "127.0.0.1"])).await;
    assert_eq!(receiver.url("/x"), format!("https://localhost:{}/x", receiver.port()));
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(receiver.addr()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let tls = TlsConnector::from(Arc::new(client)).connect(name, tcp).await.unwrap();
    let response = exchange(tls, "GET /x HTTP/1.0\r\n\r\n").await.unwrap();
    assert!(response.starts_with("HTTP/1.0 200 "), "{response}");
    assert_eq!(receiver.wait_for("/x", 1).await[0].method, "GET");
}
