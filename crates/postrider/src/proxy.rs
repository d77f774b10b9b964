//! Which proxy deliveries go through: what the operator says, or else what the variables of the machine say.

use postrider_egress::{ProxySettings, ProxyUrl};

/// For `--egress-proxy`: none, whatever the variables say.
const NONE: &str = "none";
/// Programs leave these out if the proxy comes from the variables of the machine.
const OWN: [&str; 3] = ["localhost", "127.0.0.0/8", "::1"];

/// `given` is `--egress-proxy`, `except` is `--no-proxy`. The error is the name of the setting, and what is wrong with it.
pub fn decide(
    given: Option<String>,
    except: Vec<String>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<ProxySettings, (String, String)> {
    // An empty variable is one that is not set.
    let set = |names: &[&str]| {
        let found = names.iter().find_map(|name| Some(((*name).to_owned(), variable(name)?)));
        found.filter(|(_, value)| !value.trim().is_empty())
    };
    let mut except = match except.is_empty() {
        true => set(&["NO_PROXY", "no_proxy"]).map_or(vec![], |(_, list)| list.split(',').map(str::to_owned).collect()),
        false => except,
    };
    except.iter_mut().for_each(|entry| *entry = entry.trim().to_owned());
    except.retain(|entry| !entry.is_empty());
    let (http, https) = match given.filter(|url| !url.trim().is_empty()) {
        Some(url) if url.trim() == NONE => (None, None),
        Some(url) => {
            let named = Some(("--egress-proxy".to_owned(), url));
            (named.clone(), named)
        }
        None => {
            except.extend(OWN.map(str::to_owned));
            let all = set(&["ALL_PROXY", "all_proxy"]);
            (set(&["HTTP_PROXY", "http_proxy"]).or_else(|| all.clone()), set(&["HTTPS_PROXY", "https_proxy"]).or(all))
        }
    };
    Ok(ProxySettings { http: checked(http)?, https: checked(https)?, except })
}

fn checked(named: Option<(String, String)>) -> Result<Option<String>, (String, String)> {
    let Some((name, url)) = named else { return Ok(None) };
    // The variables often have a host and a port alone.
    let url = if url.contains("://") { url.trim().to_owned() } else { format!("http://{}", url.trim()) };
    match ProxyUrl::parse(&url) {
        Ok(_) => Ok(Some(url)),
        Err(reason) => Err((name, reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(given: Option<&str>, except: &[&str], variables: &[(&str, &str)]) -> ProxySettings {
        let variable =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        decide(given.map(str::to_owned), except.iter().map(|text| (*text).to_owned()).collect(), variable).unwrap()
    }

    #[test]
    fn the_option_wins_over_the_variables() {
        let variables = [("HTTPS_PROXY", "http://b.test:1"), ("NO_PROXY", "a.test, .c.test,,10.0.0.0/8")];
        let both = |url: &str| (Some(url.to_owned()), Some(url.to_owned()));
        let settings = decided(Some("socks5://p.test:1080"), &[], &variables);
        assert_eq!((settings.http, settings.https), both("socks5://p.test:1080"));
        assert_eq!(settings.except, ["a.test", ".c.test", "10.0.0.0/8"]);
        let settings = decided(Some("p.test:3128"), &["x.test"], &variables);
        assert_eq!((settings.http, settings.https), both("http://p.test:3128"));
        assert_eq!(settings.except, ["x.test"]);
        let settings = decided(Some("none"), &[], &variables);
        assert_eq!((settings.http, settings.https), (None, None));
    }

    #[test]
    fn the_variables_are_read_as_other_programs_read_them() {
        let settings = decided(None, &[], &[("https_proxy", "b.test:3128"), ("no_proxy", "a.test")]);
        assert_eq!((settings.http, settings.https), (None, Some("http://b.test:3128".to_owned())));
        assert_eq!(settings.except, ["a.test", "localhost", "127.0.0.0/8", "::1"]);
        let settings = decided(None, &[], &[("ALL_PROXY", "socks5h://s.test:1"), ("HTTP_PROXY", "http://h.test:2")]);
        assert_eq!(settings.http.as_deref(), Some("http://h.test:2"));
        assert_eq!(settings.https.as_deref(), Some("socks5h://s.test:1"));
        let settings = decided(Some(""), &[], &[("HTTPS_PROXY", "")]);
        assert_eq!((settings.http, settings.https), (None, None));
    }

    #[test]
    fn an_error_names_the_setting_and_not_the_password() {
        let (name, reason) =
            decide(None, vec![], |name| (name == "ALL_PROXY").then(|| "ftp://u:s3cret@h".to_owned())).unwrap_err();
        assert!(
            name == "ALL_PROXY" && reason.contains("\"ftp\" is not a supported") && !reason.contains("s3cret"),
            "{reason}"
        );
    }
}
