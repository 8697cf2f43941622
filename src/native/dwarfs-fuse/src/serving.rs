//! The threads that answer the kernel for one file system.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use fuser::{BackgroundSession, Config, Session, SessionACL};

use crate::filesystem::{LayerFilesystem, OnOverwritten};
use crate::layer::Layer;
use crate::push::Pusher;
use crate::view::View;

/// A file system being served. Dropping it leaves the threads at work; they end when the mount is gone.
#[derive(Debug)]
pub struct Serving {
    session: BackgroundSession,
    view: Arc<View>,
}

impl Serving {
    /// Waits until the mount is gone, that is until nothing refers to it any more or it was aborted.
    pub fn join(self) -> io::Result<()> {
        self.session.join()
    }

    /// What is served, lowest first.
    pub fn layers(&self) -> &[Layer] {
        self.view.layers()
    }
}

/// Serves what layers show together, lowest first, on the mount that an open `/dev/fuse` belongs to.
///
/// Returns after the kernel's first request was answered. The threads then wait for requests, and end without error when the
/// last reference to the mount is gone. Fails with `EPERM` if the descriptor is not mounted, and with `EINVAL` without layers.
pub fn serve_merged(layers: Vec<Layer>, fuse: OwnedFd) -> io::Result<Serving> {
    serve(View::merge(layers), fuse, None)
}

/// As [`serve_merged`]. `on_overwritten` is called, by any thread, once a layer was overwritten: nothing can be read of it any
/// more, and what was read before may not fit what comes.
pub fn serve_until_overwritten(
    layers: Vec<Layer>,
    fuse: OwnedFd,
    on_overwritten: OnOverwritten,
) -> io::Result<Serving> {
    serve(View::merge(layers), fuse, Some(on_overwritten))
}

impl Layer {
    /// As [`serve_merged`] for a single layer as it is: deletions are the character devices that stand for them.
    pub fn serve(self, fuse: OwnedFd) -> io::Result<Serving> {
        serve(View::bare(self), fuse, None)
    }
}

fn serve(view: View, fuse: OwnedFd, on_overwritten: Option<OnOverwritten>) -> io::Result<Serving> {
    let config = session_config(&view).ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
    let view = Arc::new(view);
    let pusher = Pusher::start(&view, fuse.try_clone()?);
    let filesystem = LayerFilesystem::new(Arc::clone(&view), pusher, on_overwritten);
    let session = Session::from_fd(filesystem, fuse, SessionACL::All, config)?;
    Ok(Serving {
        session: session.spawn()?,
        view,
    })
}

/// Every user may ask: it is the mount's options that say who gets through.
pub(crate) fn session_config(view: &View) -> Option<Config> {
    let mut config = Config::default();
    config.acl = SessionACL::All;
    config.n_threads = Some(view.layers().first()?.options().workers.max(1));
    Some(config)
}
