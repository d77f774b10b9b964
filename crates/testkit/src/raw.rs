//! Connections to Postrider that do what no HTTP library does: stop in the middle, or never read.

use crate::app::Client;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// A connection to the server of a client.
#[derive(Debug)]
pub struct Raw(TcpStream);

impl Raw {
    pub async fn connect(client: &Client) -> Raw {
        Raw::from(client, Ipv4Addr::LOCALHOST).await
    }

    /// From an address such as 127.0.0.2, as another client has one.
    pub async fn from(client: &Client, address: Ipv4Addr) -> Raw {
        let to: SocketAddr = client.url.trim_start_matches("http://").parse().unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(IpAddr::V4(address), 0)).unwrap();
        Raw(socket.connect(to).await.unwrap())
    }

    /// Sends bytes as they are; false: the server has closed the connection.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    /// A request's head with the client's key; `announced`: the length of a body that may or may not follow.
    pub async fn head(&mut self, client: &Client, method: &str, path: &str, announced: Option<usize>) -> bool {
        let key = &client.key;
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n");
        if let Some(announced) = announced {
            head.push_str(&format!("content-type: application/json\r\ncontent-length: {announced}\r\n"));
        }
        self.send(format!("{head}\r\n").as_bytes()).await
    }

    /// The status of the response, 0 if the connection ends without one.
    pub async fn status(&mut self) -> u16 {
        let mut start = [0; 12];
        match self.0.read_exact(&mut start).await {
            Ok(_) => String::from_utf8_lossy(&start[9..]).parse().unwrap(),
            Err(_) => 0,
        }
    }

    /// All that comes until the server closes the connection.
    pub async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let _ = self.0.read_to_end(&mut rest).await;
        String::from_utf8_lossy(&rest).into_owned()
    }
}
