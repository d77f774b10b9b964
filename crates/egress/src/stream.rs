//! A connection, with or without TLS.

use crate::client_certificate::ClientCertificate;
use crate::error::SendError;
use crate::tls_words;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

#[derive(Debug)]
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<Secure>),
}

/// A TLS connection whose errors say what is wrong: with TLS 1.3 a server that requires a client certificate says so
/// only when the client first reads, or just closes the connection. Such an error holds a [`SendError`].
#[derive(Debug)]
pub struct Secure {
    tls: TlsStream<TcpStream>,
    host: Box<str>,
    /// What the server asked for; nothing, as soon as something was read.
    certificate: ClientCertificate,
}

impl Secure {
    /// `certificate`: what the server asked for in the handshake.
    pub fn new(tls: TlsStream<TcpStream>, host: &str, certificate: ClientCertificate) -> Secure {
        Secure { tls, host: host.into(), certificate }
    }

    /// The server may yet say that it does not take this client.
    fn may_refuse_client(&self) -> bool {
        self.certificate != ClientCertificate::NotAsked
    }

    fn explained(&self, error: io::Error) -> io::Error {
        let is_tls = error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
        if !is_tls && !self.may_refuse_client() {
            return error;
        }
        let reason = tls_words::words(&error, &self.host, self.certificate);
        io::Error::new(error.kind(), SendError::Tls { host: self.host.to_string(), reason })
    }
}

impl AsyncRead for Secure {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match ready!(Pin::new(&mut self.tls).poll_read(cx, buf)) {
            Ok(()) if buf.filled().len() > before => {
                self.certificate = ClientCertificate::NotAsked;
                Poll::Ready(Ok(()))
            }
            Ok(()) if self.may_refuse_client() => Poll::Ready(Err(self.explained(ErrorKind::UnexpectedEof.into()))),
            Ok(()) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(self.explained(error))),
        }
    }
}

impl AsyncWrite for Secure {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.tls).poll_write(cx, buf));
        Poll::Ready(written.map_err(|error| self.explained(error)))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.tls).poll_flush(cx));
        Poll::Ready(flushed.map_err(|error| self.explained(error)))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.tls).poll_write_vectored(cx, bufs));
        Poll::Ready(written.map_err(|error| self.explained(error)))
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
