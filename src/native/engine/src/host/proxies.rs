//! Which proxy a request goes through, by the variables that most programs know. `bin/network.ts` is the same on Node.

use super::fetch_failure::Failure;
use ureq::Proxy;
use ureq::http::Uri;

/// What the variables say, in lower case before upper case. An empty one says nothing.
#[derive(Default)]
pub struct Proxies {
    http: Option<String>,
    https: Option<String>,
    all: Option<String>,
    none: Option<String>,
}

impl Proxies {
    pub fn of_environment() -> Self {
        let variable = |name: &str| {
            [name.to_string(), name.to_uppercase()]
                .into_iter()
                .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        };
        Self {
            http: variable("http_proxy"),
            https: variable("https_proxy"),
            all: variable("all_proxy"),
            none: variable("no_proxy"),
        }
    }

    /// The proxy for an address, which is asked for a connection (`CONNECT`) also for plain HTTP.
    pub fn choose(&self, uri: &Uri) -> Result<Option<Proxy>, Failure> {
        let own = match uri.scheme_str() {
            Some("https") => [&self.https, &self.all, &self.http],
            _ => [&self.http, &self.all, &None],
        };
        let Some(address) = own.into_iter().flatten().next() else {
            return Ok(None);
        };
        if self.none.as_deref().is_some_and(|list| is_direct(list, uri)) {
            return Ok(None);
        }
        // The address may have a password in it.
        let wrong = |_| Failure::proxy("its variable is not http://HOST:PORT".to_string());
        Proxy::new(address).map(Some).map_err(wrong)
    }
}

/// Whether a list of names, apart by commas or spaces, has the host of an address: the name itself, one that it is below, or `*`. With
/// a port only for that port.
fn is_direct(list: &str, uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    let port = port_of(uri);
    list.split([',', ' ', '\t'])
        .filter(|entry| !entry.is_empty())
        .any(|entry| {
            if entry == "*" {
                return true;
            }
            let (name, wanted) = match entry.rsplit_once(':') {
                Some((name, digits)) if !name.contains(':') || name.ends_with(']') => match digits.parse::<u16>() {
                    Ok(port) => (name, Some(port)),
                    Err(_) => (entry, None),
                },
                _ => (entry, None),
            };
            let name = name
                .trim_start_matches('*')
                .trim_start_matches('.')
                .to_ascii_lowercase();
            let is_below = host
                .strip_suffix(&name)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
            !name.is_empty() && is_below && wanted.is_none_or(|wanted| Some(wanted) == port)
        })
}

fn port_of(uri: &Uri) -> Option<u16> {
    uri.port_u16().or_else(|| match uri.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    })
}

/// Host and port of an address, without a name and a password that may be in it.
pub fn peer_of(uri: &Uri) -> Option<String> {
    Some(format!("{}:{}", uri.host()?, port_of(uri)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(proxies: &Proxies, uri: &str) -> Option<String> {
        let proxy = proxies
            .choose(&uri.parse().unwrap())
            .unwrap_or_else(|_| panic!("a bad proxy"));
        proxy.and_then(|proxy| peer_of(proxy.uri()))
    }

    #[test]
    fn each_scheme_has_its_own() {
        let text = |value: &str| Some(value.to_string());
        let proxies = Proxies {
            http: text("http://a:1"),
            https: text("http://user:secret@b:2"),
            ..Proxies::default()
        };
        assert_eq!(chosen(&proxies, "http://x/"), text("a:1"));
        assert_eq!(chosen(&proxies, "https://x/"), text("b:2"));
        let all = Proxies {
            http: text("a:1"),
            all: text("c:3"),
            ..Proxies::default()
        };
        assert_eq!(chosen(&all, "https://x/"), text("c:3"));
        let http = Proxies {
            http: text("a:1"),
            ..Proxies::default()
        };
        assert_eq!(chosen(&http, "https://x/"), text("a:1"));
        let https = Proxies {
            https: text("a:1"),
            ..Proxies::default()
        };
        assert_eq!(chosen(&https, "http://x/"), None);
        assert_eq!(chosen(&Proxies::default(), "http://x/"), None);
        let bad = Proxies {
            all: text("ftp://c:3"),
            ..Proxies::default()
        };
        assert!(bad.choose(&"http://x/".parse().unwrap()).is_err());
    }

    #[test]
    fn some_hosts_have_none() {
        let direct = |list: &str, uri: &str| is_direct(list, &uri.parse().unwrap());
        assert!(direct("a, B.c", "http://x.b.C:90/"));
        assert!(direct(".b.c", "http://x.b.c/"));
        assert!(direct("*.b.c", "http://x.b.c/"));
        assert!(direct("*", "http://x/"));
        assert!(direct("127.0.0.1:80", "http://127.0.0.1/"));
        assert!(direct("[::1]", "http://[::1]:8080/"));
        assert!(direct("[::1]:8080", "http://[::1]:8080/"));
        assert!(!direct("b.c", "http://xb.c/"));
        assert!(!direct("b.c:81", "http://b.c/"));
        assert!(!direct("", "http://b.c/"));
        assert!(!direct(" , ,.", "http://b.c/"));
    }
}
