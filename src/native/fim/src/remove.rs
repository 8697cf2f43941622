//! `fim remove PATH…`: removes files and trees, also those that no path is long enough for.

use crate::failure::EXIT_CODE;
use crate::sys;
use std::ffi::OsString;
use std::path::Path;

pub fn command(paths: &[OsString]) -> i32 {
    let mut code = 0;
    for path in paths {
        let left = sys::remove_tree(Path::new(path));
        for (path, error) in &left.told {
            console::complain!("E::cannot remove '{}': {error}", console::shown(path));
        }
        if left.count > 0 {
            code = EXIT_CODE;
        }
    }
    code
}
