//! All nodes that the kernel knows, by number and by place, and for how long.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use rustix::fs::Stat;

use crate::node::{Node, Place, lock};

pub(crate) const ROOT: u64 = 1;
/// Numbers from here on are ours; those below are those of the file system below.
const OWN_NUMBERS: u64 = 1 << 62;

pub(crate) struct Inodes(Mutex<Table>);

struct Table {
    nodes: HashMap<u64, Known>,
    /// Nodes in a directory, by their stored names.
    children: HashMap<u64, HashMap<Arc<[u8]>, u64>>,
    /// Files with several names, by their number below.
    linked: HashMap<u64, u64>,
    next: u64,
}

struct Known {
    node: Arc<Node>,
    /// How often the kernel was told of it and has not forgotten it.
    lookups: u64,
    /// Its number below when it was first seen.
    below: u64,
}

pub(crate) fn kind_of(stat: &Stat) -> u32 {
    stat.st_mode & libc::S_IFMT
}

/// Whether a file may have several names that are worth one node. Below an overlay a file of a layer is copied for each name
/// that is written to, so there its names are files of their own; layers have times of whole seconds.
pub(crate) fn may_be_linked(stat: &Stat) -> bool {
    stat.st_nlink > 1 && kind_of(stat) != libc::S_IFDIR && stat.st_ctime_nsec != 0
}

impl Inodes {
    pub(crate) fn new(root: Arc<Node>) -> Self {
        let known = Known {
            node: root,
            lookups: 1,
            below: 0,
        };
        Self(Mutex::new(Table {
            nodes: HashMap::from([(ROOT, known)]),
            children: HashMap::new(),
            linked: HashMap::new(),
            next: OWN_NUMBERS,
        }))
    }

    pub(crate) fn get(&self, id: u64) -> Option<Arc<Node>> {
        lock(&self.0).nodes.get(&id).map(|known| Arc::clone(&known.node))
    }

    /// The number that the file at a place has for the kernel, if it has one.
    pub(crate) fn number_at(&self, parent: u64, name: &[u8]) -> Option<u64> {
        lock(&self.0).children.get(&parent)?.get(name).copied()
    }

    /// A node that may be another name of this file.
    pub(crate) fn linked(&self, stat: &Stat) -> Option<Arc<Node>> {
        let table = lock(&self.0);
        let id = table.linked.get(&stat.st_ino)?;
        table.nodes.get(id).map(|known| Arc::clone(&known.node))
    }

    /// The node of the file at a place, made if there is none; the kernel is about to be told of it. `link` is the node of
    /// another name of the file.
    pub(crate) fn tell(&self, parent: &Arc<Node>, name: &[u8], stat: &Stat, link: Option<&Arc<Node>>) -> Arc<Node> {
        let mut guard = lock(&self.0);
        let table = &mut *guard;
        if let Some(id) = table.child(parent.id, name)
            && let Some(known) = table.nodes.get_mut(&id)
        {
            if known.node.kind == kind_of(stat) {
                known.lookups += 1;
                return Arc::clone(&known.node);
            }
            known.node.remove_place(parent, name);
        }
        let place = Place {
            parent: Arc::clone(parent),
            name: name.into(),
        };
        let link = link.filter(|link| table.nodes.contains_key(&link.id));
        let node = match link {
            Some(node) => {
                node.add_place(place.clone());
                Arc::clone(node)
            }
            None => Arc::new(Node::new(table.number(stat.st_ino), kind_of(stat), Some(place.clone()))),
        };
        let known = table.nodes.entry(node.id).or_insert_with(|| Known {
            node: Arc::clone(&node),
            lookups: 0,
            below: stat.st_ino,
        });
        known.lookups += 1;
        table.children.entry(parent.id).or_default().insert(place.name, node.id);
        if may_be_linked(stat) {
            table.linked.insert(stat.st_ino, node.id);
        }
        node
    }

    /// The kernel has forgotten a node this many times.
    pub(crate) fn forget(&self, id: u64, times: u64) {
        let mut guard = lock(&self.0);
        if id != ROOT
            && let Some(known) = guard.nodes.get_mut(&id)
        {
            known.lookups = known.lookups.saturating_sub(times);
            guard.drop_unused(id);
        }
    }

    /// A name is gone.
    pub(crate) fn removed(&self, parent: &Arc<Node>, name: &[u8]) {
        let mut guard = lock(&self.0);
        if let Some(id) = guard.detach(parent, name) {
            guard.drop_unused(id);
        }
        guard.drop_unused(parent.id);
    }

    /// A name has become another one, and what had that before is gone.
    pub(crate) fn renamed(&self, from: (&Arc<Node>, &[u8]), to: (&Arc<Node>, &[u8])) {
        let mut guard = lock(&self.0);
        let moved = guard.detach(from.0, from.1);
        guard.detach(to.0, to.1);
        guard.attach(moved, to);
        guard.drop_unused(from.0.id);
    }

    /// Two names have changed places.
    pub(crate) fn exchanged(&self, one: (&Arc<Node>, &[u8]), other: (&Arc<Node>, &[u8])) {
        let mut guard = lock(&self.0);
        let (first, second) = (guard.detach(one.0, one.1), guard.detach(other.0, other.1));
        guard.attach(first, other);
        guard.attach(second, one);
    }
}

impl Table {
    fn child(&self, parent: u64, name: &[u8]) -> Option<u64> {
        self.children.get(&parent)?.get(name).copied()
    }

    /// That of the file below if nobody else has it: overlays may have the same number for different files.
    fn number(&mut self, below: u64) -> u64 {
        if below > ROOT && below < OWN_NUMBERS && !self.nodes.contains_key(&below) {
            return below;
        }
        self.next += 1;
        self.next
    }

    fn detach(&mut self, parent: &Arc<Node>, name: &[u8]) -> Option<u64> {
        let siblings = self.children.get_mut(&parent.id)?;
        let id = siblings.remove(name)?;
        if siblings.is_empty() {
            self.children.remove(&parent.id);
        }
        if let Some(known) = self.nodes.get(&id) {
            known.node.remove_place(parent, name);
        }
        Some(id)
    }

    fn attach(&mut self, id: Option<u64>, (parent, name): (&Arc<Node>, &[u8])) {
        let Some((id, known)) = id.and_then(|id| Some((id, self.nodes.get(&id)?))) else {
            return;
        };
        let place = Place {
            parent: Arc::clone(parent),
            name: name.into(),
        };
        known.node.add_place(place.clone());
        self.children.entry(parent.id).or_default().insert(place.name, id);
    }

    /// Drops a node that the kernel has forgotten; a directory not before all that is in it, and then those above.
    fn drop_unused(&mut self, id: u64) {
        let mut next = Some(id);
        while let Some(id) = next.take() {
            let is_unused = self.nodes.get(&id).is_some_and(|known| known.lookups == 0);
            if id == ROOT || !is_unused || self.children.contains_key(&id) {
                return;
            }
            let Some(known) = self.nodes.remove(&id) else { return };
            if self.linked.get(&known.below) == Some(&id) {
                self.linked.remove(&known.below);
            }
            for place in known.node.places() {
                self.detach(&place.parent, &place.name);
                next = Some(place.parent.id);
            }
        }
    }
}
