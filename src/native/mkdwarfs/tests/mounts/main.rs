//! Real mounts: a layer alone, several merged, and below an overlay, as root and in a user namespace.

#[path = "../common/mod.rs"]
mod common;
mod layer;
mod many;
mod merged;
mod outside;
mod overlay;
mod passing;

use std::ffi::CString;
use std::path::Path;

use common::options;
use dwarfs_fuse::{Cache, Layer, MountOptions, Serving, Source};

const AS_ROOT: &[&str] = &["-m"];
const AS_USER: &[&str] = &["-U", "-r", "-m"];

fn mount_raw(source: &str, target: &Path, kind: &str, data: &str) {
    let target = CString::new(target.to_str().unwrap()).unwrap();
    let [source, kind, data] = [source, kind, data].map(|text| CString::new(text).unwrap());
    // SAFETY: all pointers are to strings that end with a zero byte and outlive the call.
    let result = unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), 0, data.as_ptr().cast()) };
    assert_eq!(
        result,
        0,
        "mounting {kind:?} with {data:?}: {}",
        std::io::Error::last_os_error()
    );
}

fn unmount(target: &Path) {
    let target = CString::new(target.to_str().unwrap()).unwrap();
    // SAFETY: the pointer is to a string that ends with a zero byte and outlives the call.
    let result = unsafe { libc::umount2(target.as_ptr(), 0) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

fn serve(image: &Path, target: &Path) -> Serving {
    let source = Source {
        path: image.to_owned(),
        offset: 0,
        size: None,
    };
    let layer = Layer::open(&source, &options(), Cache::new(64 << 20)).unwrap();
    let fuse = dwarfs_fuse::mount(target, &MountOptions::default()).unwrap();
    layer.serve(fuse).unwrap()
}
