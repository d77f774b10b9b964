//! Which connections go through a proxy, and through which.

use hyper_util::client::proxy::matcher::Matcher;
use percent_encoding::percent_decode_str;
use std::fmt;
use url::Url;

/// A proxy for all connections, or one for each kind of target, and what goes without one. Compared by content.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct ProxySettings {
    /// For `http` targets: `http://USER:PASSWORD@HOST:PORT`, `socks5://…` or `socks5h://…`.
    pub http: Option<String>,
    /// The same for `https` targets.
    pub https: Option<String>,
    /// What needs no proxy, as NO_PROXY has it: host names with those below them, addresses, networks, `*`.
    pub except: Vec<String>,
}

impl ProxySettings {
    /// One proxy for every target.
    pub fn all(url: &str, except: Vec<String>) -> ProxySettings {
        ProxySettings { http: Some(url.to_owned()), https: Some(url.to_owned()), except }
    }

    /// Whether there is a proxy for anything.
    pub fn is_used(&self) -> bool {
        self.http.is_some() || self.https.is_some()
    }
}

/// Without user and password.
impl fmt::Debug for ProxySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |url: &Option<String>| url.as_ref().map(|url| ProxyUrl::parse(url).map(|url| url.to_string()));
        f.debug_struct("ProxySettings")
            .field("http", &shown(&self.http))
            .field("https", &shown(&self.https))
            .field("except", &self.except)
            .finish()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    /// HTTP with the method CONNECT.
    HttpConnect,
    Socks5,
}

/// Where a proxy is and how it is spoken to.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl {
    pub kind: ProxyKind,
    pub host: String,
    pub port: u16,
    pub credentials: Option<Credentials>,
}

#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

impl ProxyUrl {
    /// The error says what would be right, and does not repeat the URL, which may hold a password.
    pub fn parse(text: &str) -> Result<ProxyUrl, String> {
        let form = "give http://USER:PASSWORD@HOST:PORT, socks5://… or socks5h://…; user and password may be omitted";
        let url = Url::parse(text).map_err(|_| format!("it is not a URL; {form}"))?;
        let (kind, usual_port) = match url.scheme() {
            "http" => (ProxyKind::HttpConnect, 80),
            "socks5" | "socks5h" => (ProxyKind::Socks5, 1080),
            scheme => return Err(format!("\"{scheme}\" is not a supported type of proxy; {form}")),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| format!("it has no host; {form}"))?;
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(format!("it has more than a host and a port; {form}"));
        }
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let credentials = (!url.username().is_empty() || url.password().is_some()).then(|| Credentials {
            user: decoded(url.username()),
            password: decoded(url.password().unwrap_or_default()),
        });
        let too_long = |text: &String| text.len() > 255;
        if credentials.as_ref().is_some_and(|given| too_long(&given.user) || too_long(&given.password)) {
            return Err("user and password may have up to 255 bytes each".to_owned());
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(ProxyUrl { kind, host, port: url.port().unwrap_or(usual_port), credentials })
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Without user and password.
impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            ProxyKind::HttpConnect => "http",
            ProxyKind::Socks5 => "socks5",
        };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

/// What goes without a proxy.
#[derive(Debug)]
pub struct Exceptions(Matcher);

impl Exceptions {
    pub fn new(except: &[String]) -> Exceptions {
        // The matcher decides whether a proxy is used; which one does not matter here.
        Exceptions(Matcher::builder().all("http://proxy").no(except.join(",")).build())
    }

    pub fn contain(&self, host: &str) -> bool {
        let authority = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let uri = http::Uri::builder().scheme("http").authority(authority).path_and_query("/").build();
        uri.is_ok_and(|uri| self.0.intercept(&uri).is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_kind_a_place_and_maybe_credentials() {
        let parse = |text: &str| ProxyUrl::parse(text).map(|url| (url.to_string(), url.credentials.is_some()));
        assert_eq!(parse("http://proxy.test:3128"), Ok(("http://proxy.test:3128".into(), false)));
        assert_eq!(parse("http://proxy.test/"), Ok(("http://proxy.test:80".into(), false)));
        assert_eq!(parse("socks5h://u:p%40@[::1]"), Ok(("socks5://[::1]:1080".into(), true)));
        let credentials = ProxyUrl::parse("http://u%3A:p%40x@h:1").unwrap().credentials.unwrap();
        assert_eq!((credentials.user.as_str(), credentials.password.as_str()), ("u:", "p@x"));
        for (text, problem) in [
            ("proxy.test:3128", "\"proxy.test\" is not a supported type of proxy"),
            ("https://proxy.test", "\"https\" is not a supported type of proxy"),
            ("http://proxy.test/path", "more than a host and a port"),
            ("10.0.0.1", "not a URL"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }

    #[test]
    fn neither_debug_nor_display_shows_credentials() {
        let settings = ProxySettings::all("http://ann:s3cret@proxy.test:1", vec![]);
        let shown = format!("{settings:?} {}", ProxyUrl::parse(settings.http.as_ref().unwrap()).unwrap());
        assert!(shown.contains("proxy.test:1") && !shown.contains("s3cret") && !shown.contains("ann"), "{shown}");
    }

    #[test]
    fn exceptions_are_hosts_with_those_below_them_addresses_networks_and_all() {
        let except = ["example.com", ".internal", "10.0.0.0/8", "192.0.2.7", "2001:db8::/32"].map(str::to_owned);
        let exceptions = Exceptions::new(&except);
        for host in ["example.com", "a.example.com", "x.internal", "10.1.2.3", "192.0.2.7", "2001:db8::1"] {
            assert!(exceptions.contain(host), "{host}");
        }
        for host in ["badexample.com", "example.org", "11.0.0.1", "192.0.2.8", "2001:db9::1"] {
            assert!(!exceptions.contain(host), "{host}");
        }
        assert!(Exceptions::new(&["*".to_owned()]).contain("anything.test"));
        assert!(!Exceptions::new(&[]).contain("anything.test"));
    }
}
