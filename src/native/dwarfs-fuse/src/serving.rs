//! The threads that answer the kernel for one layer.

use std::io;
use std::os::fd::OwnedFd;

use fuser::{BackgroundSession, Config, Session, SessionACL};

use crate::filesystem::LayerFilesystem;
use crate::layer::Layer;

/// A layer being served. Dropping it leaves the threads at work; they end when the mount is gone.
#[derive(Debug)]
pub struct Serving {
    session: BackgroundSession,
}

impl Serving {
    /// Waits until the mount is gone, that is until nothing refers to it any more or it was aborted.
    pub fn join(self) -> io::Result<()> {
        self.session.join()
    }
}

impl Layer {
    /// Serves the mount that an open `/dev/fuse` belongs to.
    ///
    /// Returns after the kernel's first request was answered. The threads then wait for requests, and end without error
    /// when the last reference to the mount is gone. Fails with `EPERM` if the descriptor is not mounted.
    pub fn serve(self, fuse: OwnedFd) -> io::Result<Serving> {
        let config = session_config(&self);
        let session = Session::from_fd(LayerFilesystem::new(self), fuse, SessionACL::All, config)?;
        Ok(Serving {
            session: session.spawn()?,
        })
    }
}

/// Every user may ask: it is the mount's options that say who gets through.
pub(crate) fn session_config(layer: &Layer) -> Config {
    let mut config = Config::default();
    config.acl = SessionACL::All;
    config.n_threads = Some(layer.options().workers.max(1));
    config
}
