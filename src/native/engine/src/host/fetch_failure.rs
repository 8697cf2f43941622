//! Why a request has failed, as JSON for `src/NetworkFailure.ts`: `{"code":"ECONNREFUSED","detail":"…","peer":"host:port"}`. The codes
//! are those of Node, so that one place has the words for both.

use rustls::CertificateError;
use std::io::ErrorKind;

pub struct Failure {
    code: &'static str,
    detail: String,
    /// Whom we have tried to connect to: the server, or the proxy.
    peer: Option<String>,
}

impl Failure {
    pub fn of(error: &ureq::Error, peer: Option<String>) -> Self {
        Self {
            code: code_of(error),
            detail: match error {
                ureq::Error::ConnectProxyFailed(reason) => answer_of_proxy(reason),
                error => error.to_string(),
            },
            peer,
        }
    }

    /// Something that is no network.
    pub fn other(error: impl std::fmt::Display) -> Self {
        Self {
            code: "",
            detail: error.to_string(),
            peer: None,
        }
    }

    /// The file that names whom to trust is of no use.
    pub fn certificates(detail: String) -> Self {
        Self {
            code: "FIM_CERTIFICATES",
            detail,
            peer: None,
        }
    }

    /// A variable that names a proxy has something else.
    pub fn proxy(detail: String) -> Self {
        Self {
            code: "FIM_PROXY",
            detail,
            peer: None,
        }
    }

    pub fn json(&self) -> String {
        serde_json::json!({ "code": self.code, "detail": self.detail, "peer": self.peer }).to_string()
    }
}

/// From `proxy server responded 403/403`, as we say it of Node.
fn answer_of_proxy(reason: &str) -> String {
    let code = reason
        .strip_prefix("proxy server responded ")
        .and_then(|rest| rest.split('/').next());
    code.map_or_else(|| reason.to_string(), |code| format!("it answered with {code}"))
}

fn code_of(error: &ureq::Error) -> &'static str {
    match error {
        ureq::Error::HostNotFound => "ENOTFOUND",
        ureq::Error::Timeout(_) => "ETIMEDOUT",
        ureq::Error::ConnectProxyFailed(_) => "FIM_PROXY",
        ureq::Error::Rustls(error) => tls_code(error),
        ureq::Error::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(error) => tls_code(error),
            None => io_code(error),
        },
        _ => "",
    }
}

fn io_code(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::ConnectionRefused => "ECONNREFUSED",
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => "ECONNRESET",
        ErrorKind::TimedOut => "ETIMEDOUT",
        ErrorKind::HostUnreachable => "EHOSTUNREACH",
        ErrorKind::NetworkUnreachable => "ENETUNREACH",
        // The standard library has no kind for it.
        _ if error.to_string().starts_with("failed to lookup address") => "ENOTFOUND",
        _ => "",
    }
}

fn tls_code(error: &rustls::Error) -> &'static str {
    use CertificateError as Certificate;
    match error {
        rustls::Error::InvalidCertificate(error) => match error {
            Certificate::UnknownIssuer => "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
            Certificate::Expired | Certificate::ExpiredContext { .. } => "CERT_HAS_EXPIRED",
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => "CERT_NOT_YET_VALID",
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => "ERR_TLS_CERT_ALTNAME_INVALID",
            _ => "CERT_REJECTED",
        },
        rustls::Error::InvalidMessage(_) => "ERR_SSL_WRONG_VERSION_NUMBER",
        _ => "EPROTO",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    fn code(error: io::Error) -> &'static str {
        code_of(&ureq::Error::Io(error))
    }

    #[test]
    fn finds_what_is_within_an_error_of_the_system() {
        let tls = |error| code(io::Error::new(ErrorKind::InvalidData, error));
        assert_eq!(
            tls(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)),
            "UNABLE_TO_VERIFY_LEAF_SIGNATURE"
        );
        assert_eq!(
            tls(rustls::Error::InvalidCertificate(CertificateError::Revoked)),
            "CERT_REJECTED"
        );
        assert_eq!(code(ErrorKind::ConnectionRefused.into()), "ECONNREFUSED");
        assert_eq!(
            code(io::Error::other("failed to lookup address information: x")),
            "ENOTFOUND"
        );
        assert_eq!(code(io::Error::other("something else")), "");
    }
}
