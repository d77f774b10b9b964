//! The proxy of an environment: what may be given, and what of it may be shown.

use crate::check::Problems;
use postrider_store::Secret;
use postrider_store::config::EnvironmentProxy;
use url::Url;

/// Entries of the list of what needs no proxy, and bytes of each.
const MAX_EXCEPTIONS: usize = 100;
const MAX_EXCEPTION_BYTES: usize = 255;
/// Stands for a password that is not shown.
const MASK: &str = "***";

/// The URL with `***` for its password.
pub fn masked_proxy(url: &str) -> String {
    let Ok(mut masked) = Url::parse(url) else { return MASK.to_owned() };
    if masked.password().is_some() {
        let _ = masked.set_password(Some(MASK));
    }
    masked.to_string()
}

/// A URL that came back as it was shown stands for the one that is stored.
pub fn kept_proxy(given: EnvironmentProxy, before: Option<&EnvironmentProxy>) -> EnvironmentProxy {
    match before {
        Some(before) if given.url.reveal() == masked_proxy(before.url.reveal()) => {
            EnvironmentProxy { url: before.url.clone(), ..given }
        }
        Some(_) | None => given,
    }
}

pub(crate) fn check(proxy: &EnvironmentProxy, problems: &mut Problems) {
    if let Err(problem) = check_url(&proxy.url) {
        problems.add("proxy.url", problem);
    }
    if proxy.no_proxy.len() > MAX_EXCEPTIONS {
        problems.add("proxy.noProxy", "must have at most 100 entries");
    }
    let is_entry = |entry: &String| {
        !entry.is_empty() && entry.len() <= MAX_EXCEPTION_BYTES && !entry.contains([',', ' ', '\t', '\n', '/', '@'])
            || entry.parse::<ipnet::IpNet>().is_ok()
    };
    if !proxy.no_proxy.iter().all(is_entry) {
        let right = "must be host names such as \"example.com\", addresses, networks such as \"10.0.0.0/8\", or \"*\"";
        problems.add("proxy.noProxy", right);
    }
}

fn check_url(url: &Secret) -> Result<(), &'static str> {
    const FORM: &str =
        "must be http://USER:PASSWORD@HOST:PORT, socks5://… or socks5h://…; user and password may be omitted";
    let url = Url::parse(url.reveal()).map_err(|_| FORM)?;
    let is_kind = matches!(url.scheme(), "http" | "socks5" | "socks5h");
    let has_host = url.host_str().is_some_and(|host| !host.is_empty());
    if !is_kind || !has_host || !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(FORM);
    }
    if url.username().len() > 255 || url.password().is_some_and(|password| password.len() > 255) {
        return Err("must have a user and password of up to 255 bytes each");
    }
    if url.password() == Some(MASK) {
        return Err("has \"***\" as its password; give the password itself");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_masked_and_comes_back_as_it_was() {
        let before = EnvironmentProxy { url: Secret::new("socks5h://ann:s3cret@p.test:1080"), no_proxy: vec![] };
        let shown = masked_proxy(before.url.reveal());
        assert_eq!(shown, "socks5h://ann:***@p.test:1080");
        let given = |url: &str| EnvironmentProxy { url: Secret::new(url), no_proxy: vec!["a".to_owned()] };
        let kept = kept_proxy(given(&shown), Some(&before));
        assert_eq!((kept.url.reveal(), kept.no_proxy.len()), (before.url.reveal(), 1));
        assert_eq!(kept_proxy(given("http://q.test:1"), Some(&before)).url.reveal(), "http://q.test:1");
        assert_eq!(masked_proxy("http://p.test:3128"), "http://p.test:3128/");
    }
}
