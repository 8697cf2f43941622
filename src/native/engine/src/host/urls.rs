//! Addresses, as the web reads them.

use super::exports;
use crate::failure::throw;
use rquickjs::function::Opt;
use rquickjs::{Coerced, Ctx, Object, Result};
use url::{Position, Url, quirks};

exports! {
    "parseUrl" => parse,
    "changeUrl" => change,
}

/// The parts of an address, with the names that they have in JavaScript, or nothing if it is not a valid one.
fn parse<'js>(ctx: Ctx<'js>, text: Coerced<String>, base: Opt<Coerced<String>>) -> Result<Option<Object<'js>>> {
    let parsed = match &base.0 {
        Some(base) => Url::parse(&base.0).and_then(|base| base.join(&text.0)),
        None => Url::parse(&text.0),
    };
    parsed.ok().map(|url| parts(&ctx, &url)).transpose()
}

/// The parts of an address after one of them was set. What cannot be set stays, as on the web.
fn change<'js>(ctx: Ctx<'js>, href: String, name: String, value: Coerced<String>) -> Result<Object<'js>> {
    let mut url = Url::parse(&href).map_err(|_| throw(&ctx, libc::EINVAL))?;
    let value = &value.0;
    // These report what they leave as it is, and nobody asks.
    let _ = match name.as_str() {
        "host" => quirks::set_host(&mut url, value),
        "hostname" => quirks::set_hostname(&mut url, value),
        "password" => quirks::set_password(&mut url, value),
        "port" => quirks::set_port(&mut url, value),
        "protocol" => quirks::set_protocol(&mut url, value),
        "username" => quirks::set_username(&mut url, value),
        _ => Ok(()),
    };
    match name.as_str() {
        "hash" => quirks::set_hash(&mut url, value),
        "pathname" => quirks::set_pathname(&mut url, value),
        "search" => quirks::set_search(&mut url, value),
        _ => {}
    }
    parts(&ctx, &url)
}

fn parts<'js>(ctx: &Ctx<'js>, url: &Url) -> Result<Object<'js>> {
    let parts = Object::new(ctx.clone())?;
    let host = &url[Position::BeforeHost..Position::AfterPort];
    for (name, value) in [
        ("hash", quirks::hash(url)),
        ("host", host),
        ("hostname", quirks::hostname(url)),
        ("href", url.as_str()),
        ("origin", &url.origin().ascii_serialization()),
        ("password", quirks::password(url)),
        ("pathname", quirks::pathname(url)),
        ("port", quirks::port(url)),
        ("protocol", quirks::protocol(url)),
        ("search", quirks::search(url)),
        ("username", quirks::username(url)),
    ] {
        parts.set(name, value)?;
    }
    Ok(parts)
}
