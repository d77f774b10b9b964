//! Receivers in other languages, each a process of its own that ends with the test.

use crate::app::{Client, eventually};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A receiver's process.
#[derive(Debug)]
pub struct Running {
    pub url: String,
    child: Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// One that says its port on its first line.
    pub fn says_its_port(command: &mut Command) -> Running {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Running { url: format!("http://127.0.0.1:{}", line.trim()), child }
    }

    /// One that is told its port.
    pub async fn on_port(port: u16, command: &mut Command) -> Running {
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        let running = Running { url: format!("http://127.0.0.1:{port}"), child: quiet.spawn().unwrap() };
        let client = Client::new(&running.url, "");
        assert!(eventually(async || client.try_request("GET", "/seen", &[], None).await.is_ok()).await, "{command:?}");
        running
    }
}
