//! One request of HTTP in a thread of its own. What comes is read from a pipe, in pieces: a letter, the size of what follows in 32
//! bits of the machine's order, and so many bytes. `H` is the head of the answer as JSON, `D` are data, `E` says what went wrong
//! as JSON (`fetch_failure.rs`), `Z` that all has come. A thread whose pipe nobody reads any more ends with its next piece.

use super::exports;
use super::fetch_failure::Failure;
use super::proxies::{Proxies, peer_of};
use super::signals::without_signals;
use crate::failure::OrThrow;
use rquickjs::{Ctx, Result};
use rustix::fd::{IntoRawFd, RawFd};
use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use ureq::http::Response;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

exports! {
    "fetch" => fetch,
}

/// Where distributions keep the authorities that they trust, all in one file.
const AUTHORITIES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/var/lib/ca-certificates/ca-bundle.pem",
];

/// Starts a request. Its headers are names and values in turn. Returns the descriptor to read from. Answers that lead elsewhere
/// are given as they are.
fn fetch(ctx: Ctx<'_>, url: String, method: String, headers: Vec<String>) -> Result<RawFd> {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).or_throw(&ctx)?;
    let request = move || {
        let mut pieces = Pieces(writer.into());
        let result = answer(&url, &method, &headers)
            .map_err(End::Failed)
            .and_then(|response| relay(response, &mut pieces));
        // Without a reader there is nobody to tell.
        let _ = match result {
            Ok(()) => pieces.put(b'Z', b""),
            Err(End::Failed(failure)) => pieces.put(b'E', failure.json().as_bytes()),
            Err(End::NoReader) => Ok(()),
        };
    };
    without_signals(|| std::thread::Builder::new().stack_size(1 << 20).spawn(request)).or_throw(&ctx)?;
    rustix::io::ioctl_fionbio(&reader, true).or_throw(&ctx)?;
    Ok(reader.into_raw_fd())
}

enum End {
    Failed(Failure),
    NoReader,
}

struct Pieces(File);

impl Pieces {
    fn put(&mut self, kind: u8, bytes: &[u8]) -> std::io::Result<()> {
        let size = u32::try_from(bytes.len()).map_err(std::io::Error::other)?;
        self.0
            .write_all(&[&[kind], size.to_ne_bytes().as_slice(), bytes].concat())
    }
}

fn answer(url: &str, method: &str, headers: &[String]) -> std::result::Result<Response<Body>, Failure> {
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for header in headers.chunks_exact(2) {
        request = request.header(&header[0], &header[1]);
    }
    let request = request.body(()).map_err(Failure::other)?;
    let proxy = Proxies::of_environment().choose(request.uri())?;
    let peer = proxy
        .as_ref()
        .map_or_else(|| peer_of(request.uri()), |proxy| peer_of(proxy.uri()));
    let mut config = Agent::config_builder()
        .max_redirects(0)
        .http_status_as_error(false)
        .proxy(proxy);
    if request.uri().scheme_str() == Some("https") {
        config = config.tls_config(TlsConfig::builder().root_certs(authorities()?).build());
    }
    let agent: Agent = config.build().into();
    look_only_in_files_and_dns();
    agent.run(request).map_err(|error| Failure::of(&error, peer))
}

/// Who may vouch for servers: the file that `SSL_CERT_FILE` names, or what the host trusts, or where it has nothing Mozilla's list.
fn authorities() -> std::result::Result<RootCerts, Failure> {
    let told = std::env::var_os("SSL_CERT_FILE")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    let is_told = told.is_some();
    let path = told.or_else(|| AUTHORITIES.iter().map(PathBuf::from).find(|path| path.is_file()));
    let Some(path) = path else { return Ok(RootCerts::WebPki) };
    let pem = match std::fs::read(&path) {
        Ok(pem) => pem,
        Err(error) if is_told => {
            let why = match error.kind() {
                std::io::ErrorKind::NotFound => "does not exist",
                std::io::ErrorKind::PermissionDenied => "may not be read",
                _ => "cannot be read",
            };
            return Err(Failure::certificates(format!("'{}' {why}", path.display())));
        }
        Err(_) => return Ok(RootCerts::WebPki),
    };
    let certificates: Vec<Certificate<'static>> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return if is_told {
            Err(Failure::certificates(format!(
                "'{}' has no certificates",
                path.display()
            )))
        } else {
            Ok(RootCerts::WebPki)
        };
    }
    Ok(RootCerts::Specific(Arc::new(certificates)))
}

/// A static program must not load the host's plug-ins for names, which belong to another C library.
#[cfg(target_env = "gnu")]
fn look_only_in_files_and_dns() {
    unsafe extern "C" {
        fn __nss_configure_lookup(database: *const libc::c_char, services: *const libc::c_char) -> libc::c_int;
    }
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // SAFETY: reads two terminated strings. Both services are built into the C library.
        unsafe { __nss_configure_lookup(c"hosts".as_ptr(), c"files dns".as_ptr()) };
    });
}

#[cfg(not(target_env = "gnu"))]
fn look_only_in_files_and_dns() {}

fn relay(response: Response<Body>, pieces: &mut Pieces) -> std::result::Result<(), End> {
    let no_reader = |_| End::NoReader;
    pieces.put(b'H', head(&response).as_bytes()).map_err(no_reader)?;
    let mut body = response.into_body().into_reader();
    let mut space = vec![0; 64 << 10];
    loop {
        match body.read(&mut space) {
            Ok(0) => return Ok(()),
            Ok(count) => pieces.put(b'D', &space[..count]).map_err(no_reader)?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(End::Failed(Failure::of(&error.into(), None))),
        }
    }
}

/// `{"status":200,"headers":[["name","value"]]}`
fn head(response: &Response<Body>) -> String {
    let headers: Vec<_> = response
        .headers()
        .iter()
        .map(|(name, value)| [name.as_str().into(), String::from_utf8_lossy(value.as_bytes())])
        .collect();
    serde_json::json!({ "status": response.status().as_u16(), "headers": headers }).to_string()
}
