//! Many layers at once, each by itself: what they take of memory.

use std::fs;

use dwarfs_fuse::{Cache, Layer, MountOptions, Source};
use namespaces::inside;

use super::common::{Scratch, noise, options, pack, plain_tree};
use super::{AS_ROOT, unmount};

#[test]
fn forty_layers_are_small() {
    inside("many::inside_many_layers", AS_ROOT);
}

/// Memory of this process in KiB, shared pages by their share.
fn memory() -> u64 {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
#[ignore = "runs in namespaces of its own, started by the tests above"]
fn inside_many_layers() {
    dwarfs_fuse::tune_allocator();
    let scratch = Scratch::new("many");
    let tree = scratch.folder("tree");
    plain_tree(&tree);
    let image = scratch.join("image");
    pack(&tree, &image, &["-l", "3"]);
    let cache = Cache::new(64 << 20);
    let before = memory();
    let source = Source {
        path: image,
        offset: 0,
        size: None,
    };
    let targets: Vec<_> = (0..40)
        .map(|number| scratch.folder(&format!("target{number}")))
        .collect();
    let servings: Vec<_> = targets
        .iter()
        .map(|target| {
            let layer = Layer::open(&source, &options(), cache.clone()).unwrap();
            layer
                .serve(dwarfs_fuse::mount(target, &MountOptions::default()).unwrap())
                .unwrap()
        })
        .collect();
    for target in &targets {
        assert!(fs::read(target.join("usr/lib/noise")).unwrap() == noise(300_000, 1));
    }
    let used = memory();
    // A while after the last read the blocks must be gone.
    std::thread::sleep(std::time::Duration::from_secs(11));
    let idle = memory();
    assert!(
        idle + 10_000 < used,
        "the cache was not emptied: {before} KiB, then {used} KiB, then {idle} KiB"
    );
    assert!(idle < before + 40 * 500, "{} KiB for each layer", (idle - before) / 40);
    for target in &targets {
        unmount(target);
    }
    for serving in servings {
        serving.join().unwrap();
    }
}
