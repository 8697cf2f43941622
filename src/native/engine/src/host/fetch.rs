//! One request of HTTP in a thread of its own. What comes is read from a pipe, in pieces: a letter, the size of what follows in 32
//! bits of the machine's order, and so many bytes. `H` is the head of the answer as JSON, `D` are data, `E` says what went wrong,
//! `Z` that all has come. A thread whose pipe nobody reads any more ends with its next piece.

use super::exports;
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
            .map_err(Failure::Request)
            .and_then(|response| relay(response, &mut pieces));
        // Without a reader there is nobody to tell.
        let _ = match result {
            Ok(()) => pieces.put(b'Z', b""),
            Err(Failure::Request(text)) => pieces.put(b'E', text.as_bytes()),
            Err(Failure::NoReader) => Ok(()),
        };
    };
    without_signals(|| std::thread::Builder::new().stack_size(1 << 20).spawn(request)).or_throw(&ctx)?;
    rustix::io::ioctl_fionbio(&reader, true).or_throw(&ctx)?;
    Ok(reader.into_raw_fd())
}

enum Failure {
    Request(String),
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

fn answer(url: &str, method: &str, headers: &[String]) -> std::result::Result<Response<Body>, String> {
    let tls = TlsConfig::builder().root_certs(authorities()?).build();
    // Proxies come from the usual variables, which the library reads itself.
    let agent: Agent = Agent::config_builder()
        .max_redirects(0)
        .http_status_as_error(false)
        .tls_config(tls)
        .build()
        .into();
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for header in headers.chunks_exact(2) {
        request = request.header(&header[0], &header[1]);
    }
    let request = request.body(()).map_err(|error| error.to_string())?;
    look_only_in_files_and_dns();
    agent.run(request).map_err(|error| error.to_string())
}

/// Who may vouch for servers: the file that `SSL_CERT_FILE` names, or what the host trusts, or where it has nothing Mozilla's list.
fn authorities() -> std::result::Result<RootCerts, String> {
    let told = std::env::var_os("SSL_CERT_FILE")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    let is_told = told.is_some();
    let path = told.or_else(|| AUTHORITIES.iter().map(PathBuf::from).find(|path| path.is_file()));
    let Some(path) = path else { return Ok(RootCerts::WebPki) };
    let pem = match std::fs::read(&path) {
        Ok(pem) => pem,
        Err(error) if is_told => return Err(format!("cannot read '{}': {error}", path.display())),
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
            Err(format!("'{}' has no certificates", path.display()))
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

fn relay(response: Response<Body>, pieces: &mut Pieces) -> std::result::Result<(), Failure> {
    let no_reader = |_| Failure::NoReader;
    pieces.put(b'H', head(&response).as_bytes()).map_err(no_reader)?;
    let mut body = response.into_body().into_reader();
    let mut space = vec![0; 64 << 10];
    loop {
        match body.read(&mut space) {
            Ok(0) => return Ok(()),
            Ok(count) => pieces.put(b'D', &space[..count]).map_err(no_reader)?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Failure::Request(error.to_string())),
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
