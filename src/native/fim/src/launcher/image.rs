//! The image this program is the head of: its path, its tool table and where each tool lies. See `docs/format.md`.
//!
//! Every number in the file is untrusted: it is compared with the parts around it before it is used.

use super::read_exactly;
use crate::fail;
use crate::failure::{Context, Failure, Result};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const TABLE_LIMIT: u64 = 1 << 20;
/// No tool is as large as this; a size beyond it is damage.
const TOOL_LIMIT: u64 = 1 << 30;

#[derive(Deserialize)]
pub struct Table {
    pub format: u32,
    pub version: String,
    pub commit: String,
    pub timestamp: String,
    pub tools: Vec<Tool>,
    pub applets: Vec<String>,
}

#[derive(Deserialize)]
pub struct Tool {
    /// Relative to the application directory: `bin/NAME` or `lib/NAME`.
    pub path: String,
    pub mode: u32,
    pub size: u64,
    pub sha256: String,
    pub encoding: Encoding,
    /// Whether a start goes on before it is unpacked, and waits for it only where it needs it.
    #[serde(default)]
    pub later: bool,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    Raw,
    Zstd,
}

pub struct Image {
    pub path: PathBuf,
    pub file: File,
    pub reserved_offset: u64,
    pub table: Table,
    /// The tool table as it lies in the image.
    pub table_bytes: Vec<u8>,
    first_tool: u64,
}

/// What the kernel puts behind the path of a program whose file has lost its name.
const DELETED: &[u8] = b" (deleted)";

/// Where the image is now. Between our start and this moment an image with other layers may have been put in the place of the
/// one that we are; what follows then goes on with that, if it brings the same tools.
fn current(path: PathBuf, table_offset: u64, table: &[u8]) -> PathBuf {
    let Some(name) = path.as_os_str().as_bytes().strip_suffix(DELETED) else {
        return path;
    };
    let named = PathBuf::from(OsStr::from_bytes(name));
    let same = || {
        let file = File::open(&named).ok()?;
        Some(read_exactly(&file, table_offset + 8, table.len(), "tool table").ok()? == table)
    };
    if !path.exists() && same() == Some(true) {
        named
    } else {
        path
    }
}

impl Image {
    /// The image whose head this program is.
    pub fn open(reserved_offset: u64) -> Result<Image> {
        let path = std::fs::read_link("/proc/self/exe")
            .context(|| "cannot find the image file through /proc; mount /proc to run it".to_string())?;
        let file = File::open("/proc/self/exe")
            .context(|| format!("cannot read '{}'; its permissions must allow reading", path.display()))?;
        Image::of(path, file, reserved_offset)
    }

    /// The image at a path.
    pub fn at(path: &Path, reserved_offset: u64) -> Result<Image> {
        let file = File::open(path).context(|| format!("cannot read '{}'", path.display()))?;
        Image::of(path.to_path_buf(), file, reserved_offset)
    }

    fn of(path: PathBuf, file: File, reserved_offset: u64) -> Result<Image> {
        let table_offset = head_end(&file)?;
        let Some(room) = reserved_offset.checked_sub(table_offset) else {
            fail!("the image is damaged: its reserved offset {reserved_offset} lies inside its head")
        };
        let size = read_u64(&file, table_offset, "tool table")?;
        if size > TABLE_LIMIT || size.saturating_add(8) > room {
            fail!("the image is damaged: its tool table has an impossible size of {size} bytes")
        }
        let bytes = read_exactly(&file, table_offset + 8, size as usize, "tool table")?;
        let table: Table = serde_json::from_slice(&bytes)
            .context(|| "the image is damaged: its tool table cannot be parsed".to_string())?;
        check(&table)?;
        Ok(Image {
            path: current(path, table_offset, &bytes),
            file,
            reserved_offset,
            table,
            table_bytes: bytes,
            first_tool: table_offset + 8 + size,
        })
    }

    /// SHA-256 of the tool table, in hexadecimal digits.
    pub fn digest(&self) -> String {
        hex(&Sha256::digest(&self.table_bytes))
    }

    /// Offset and stored size of each tool, in the order of the table.
    pub fn stored(&self) -> Result<Vec<(u64, u64)>> {
        let mut offset = self.first_tool;
        let mut places = Vec::with_capacity(self.table.tools.len());
        for tool in &self.table.tools {
            let size = read_u64(&self.file, offset, &tool.path)?;
            let end = offset.checked_add(8).and_then(|begin| begin.checked_add(size));
            let Some(end) = end.filter(|end| *end <= self.reserved_offset) else {
                fail!(
                    "the image is damaged: its tool '{}' reaches beyond the tools",
                    tool.path
                )
            };
            places.push((offset + 8, size));
            offset = end;
        }
        Ok(places)
    }
}

/// Lower-case hexadecimal digits of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check(table: &Table) -> Result<()> {
    let is_name = |name: &str| {
        !name.is_empty()
            && !name.starts_with('.')
            && name.len() < 128
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._+-[".contains(&byte))
    };
    let is_path = |path: &str| {
        path.split_once('/')
            .is_some_and(|(room, name)| matches!(room, "bin" | "lib") && is_name(name))
    };
    let damaged = |what: &str| Failure(format!("the image is damaged: its tool table has {what}"));
    if table.format != 1 {
        fail!(
            "the image has a tool table of format {}, and this launcher knows only format 1",
            table.format
        )
    }
    if !is_name(&table.commit) || !is_name(&table.timestamp) {
        return Err(damaged("no usable commit or timestamp"));
    }
    if let Some(tool) = table.tools.iter().find(|tool| !is_path(&tool.path)) {
        return Err(damaged(&format!("a tool with the path '{}'", tool.path.escape_debug())));
    }
    if let Some(tool) = table
        .tools
        .iter()
        .find(|tool| tool.size > TOOL_LIMIT || tool.mode & !0o777 != 0)
    {
        return Err(damaged(&format!("an impossible size or mode for '{}'", tool.path)));
    }
    if let Some(applet) = table.applets.iter().find(|applet| !is_name(applet)) {
        return Err(damaged(&format!("an applet named '{}'", applet.escape_debug())));
    }
    Ok(())
}

/// Where the ELF program ends: behind its last section or its section header table, whichever is further. Linkers put the
/// section header table last; the sections are looked at because nothing promises it.
fn head_end(file: &File) -> Result<u64> {
    let header = read_exactly(file, 0, 64, "ELF header")?;
    let u64_at = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().unwrap_or_default());
    let u16_at = |at: usize| u64::from(u16::from_le_bytes([header[at], header[at + 1]]));
    let (programs, sections) = (u64_at(32), u64_at(40));
    let (program_size, program_count) = (u16_at(54), u16_at(56));
    let (section_size, section_count) = (u16_at(58), u16_at(60));
    if program_size != 56 || section_size != 64 {
        fail!("the image is damaged: its ELF header is not that of a 64-bit program")
    }
    let beyond = || Failure("the image is damaged: its ELF header points beyond any file".to_string());
    let table_end = |offset: u64, size: u64, count: u64| offset.checked_add(size * count).ok_or_else(beyond);
    let mut end =
        table_end(programs, program_size, program_count)?.max(table_end(sections, section_size, section_count)?);
    let program_table = read_exactly(
        file,
        programs,
        (program_size * program_count) as usize,
        "program headers",
    )?;
    let section_table = read_exactly(
        file,
        sections,
        (section_size * section_count) as usize,
        "section headers",
    )?;
    let at = |entry: &[u8], at: usize| u64::from_le_bytes(entry[at..at + 8].try_into().unwrap_or_default());
    for entry in program_table.chunks_exact(56) {
        end = end.max(at(entry, 8).checked_add(at(entry, 32)).ok_or_else(beyond)?);
    }
    const SHT_NOBITS: [u8; 4] = 8u32.to_le_bytes();
    for entry in section_table.chunks_exact(64).filter(|entry| entry[4..8] != SHT_NOBITS) {
        end = end.max(at(entry, 24).checked_add(at(entry, 32)).ok_or_else(beyond)?);
    }
    Ok(end)
}

fn read_u64(file: &File, offset: u64, part: &str) -> Result<u64> {
    let bytes = read_exactly(file, offset, 8, part)?;
    Ok(u64::from_le_bytes(bytes.try_into().unwrap_or_default()))
}
