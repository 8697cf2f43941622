//! Numbers of the fields of the metadata, with the names of upstream's `metadata.thrift`. Those that nothing reads are left out.

/// Of an optional value and of a collection, as Frozen lays them out.
pub(crate) mod frozen {
    pub(crate) const IS_SET: i16 = 1;
    pub(crate) const VALUE: i16 = 2;
    pub(crate) const DISTANCE: i16 = 1;
    pub(crate) const COUNT: i16 = 2;
}

/// Of the whole metadata.
pub(crate) mod metadata {
    pub(crate) const CHUNKS: i16 = 1;
    pub(crate) const DIRECTORIES: i16 = 2;
    pub(crate) const INODES: i16 = 3;
    pub(crate) const CHUNK_TABLE: i16 = 4;
    pub(crate) const SYMLINK_TABLE: i16 = 6;
    pub(crate) const UIDS: i16 = 7;
    pub(crate) const GIDS: i16 = 8;
    pub(crate) const MODES: i16 = 9;
    pub(crate) const NAMES: i16 = 10;
    pub(crate) const SYMLINKS: i16 = 11;
    pub(crate) const TIMESTAMP_BASE: i16 = 12;
    pub(crate) const BLOCK_SIZE: i16 = 15;
    pub(crate) const DEVICES: i16 = 17;
    pub(crate) const OPTIONS: i16 = 18;
    pub(crate) const DIR_ENTRIES: i16 = 19;
    pub(crate) const SHARED_FILES_TABLE: i16 = 20;
    pub(crate) const COMPACT_NAMES: i16 = 24;
    pub(crate) const COMPACT_SYMLINKS: i16 = 25;
    pub(crate) const FEATURES: i16 = 27;
    pub(crate) const HOLE_BLOCK_INDEX: i16 = 34;
    pub(crate) const LARGE_HOLE_SIZE: i16 = 35;
}

pub(crate) mod chunk {
    pub(crate) const BLOCK: i16 = 1;
    pub(crate) const OFFSET: i16 = 2;
    pub(crate) const SIZE: i16 = 3;
}

pub(crate) mod directory {
    pub(crate) const FIRST_ENTRY: i16 = 2;
}

pub(crate) mod inode_data {
    pub(crate) const MODE_INDEX: i16 = 2;
    pub(crate) const OWNER_INDEX: i16 = 4;
    pub(crate) const GROUP_INDEX: i16 = 5;
    pub(crate) const ATIME_OFFSET: i16 = 6;
    pub(crate) const MTIME_OFFSET: i16 = 7;
    pub(crate) const CTIME_OFFSET: i16 = 8;
}

pub(crate) mod dir_entry {
    pub(crate) const NAME_INDEX: i16 = 1;
    pub(crate) const INODE_NUM: i16 = 2;
}

pub(crate) mod fs_options {
    pub(crate) const MTIME_ONLY: i16 = 1;
    pub(crate) const TIME_RESOLUTION_SEC: i16 = 2;
    pub(crate) const PACKED_CHUNK_TABLE: i16 = 3;
    pub(crate) const PACKED_DIRECTORIES: i16 = 4;
    pub(crate) const PACKED_SHARED_FILES_TABLE: i16 = 5;
}

pub(crate) mod string_table {
    pub(crate) const BUFFER: i16 = 1;
    pub(crate) const SYMTAB: i16 = 2;
    pub(crate) const INDEX: i16 = 3;
    pub(crate) const PACKED_INDEX: i16 = 4;
}

/// Of the schema itself and its parts.
pub(crate) mod schema {
    use crate::schema::Kind;

    pub(crate) const LAYOUTS: (i16, Kind) = (2, Kind::Map);
    pub(crate) const ROOT_LAYOUT: (i16, Kind) = (3, Kind::Number);
    pub(crate) const FILE_VERSION: (i16, Kind) = (4, Kind::Number);
    pub(crate) const LAYOUT_BITS: (i16, Kind) = (2, Kind::Number);
    pub(crate) const LAYOUT_FIELDS: (i16, Kind) = (3, Kind::Map);
    pub(crate) const FIELD_LAYOUT_ID: (i16, Kind) = (1, Kind::Number);
    pub(crate) const FIELD_OFFSET: (i16, Kind) = (2, Kind::Number);
}
