//! Room on the disk of a SQLite file: how much is left, how much telemetry must leave alone, and the reserve file that is
//! given up when nothing is left.

use super::lock::beside;
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

const MIB: u64 = 1 << 20;

/// The disk that a database lies on.
#[derive(Debug)]
pub(super) struct Disk {
    folder: PathBuf,
    reserve: PathBuf,
}

/// How much room there is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Bytes that may still be written.
    pub(super) free: u64,
    total: u64,
}

impl Room {
    /// What telemetry leaves alone: the last 5 %, at most 64 MiB.
    fn kept_free(self) -> u64 {
        (self.total / 20).min(64 * MIB)
    }

    /// The size of the reserve: 5 % of the disk, 16 to 64 MiB, and less only on a disk that is smaller than that fourfold.
    fn reserve(self) -> u64 {
        (self.total / 20).clamp(16 * MIB, 64 * MIB).min(self.total / 4)
    }
}

impl Disk {
    pub(super) fn of(database: &Path) -> Disk {
        let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Disk { folder: folder.to_owned(), reserve: beside(database, ".reserve") }
    }

    pub(super) fn room(&self) -> std::io::Result<Room> {
        let found = statvfs(&self.folder)?;
        Ok(Room { free: found.f_bavail * found.f_frsize, total: found.f_blocks * found.f_frsize })
    }

    /// Gives the reserve up. Whether there was one.
    pub(super) fn give_up_reserve(&self) -> bool {
        let had = std::fs::remove_file(&self.reserve).is_ok();
        if had {
            tracing::warn!("the reserve beside the database is given up, so that people can go on");
        }
        had
    }

    /// Whether there is too little room for telemetry. Where the reserve was given up, what it left is for people, and
    /// telemetry waits until it can be made again.
    pub(super) fn is_scarce(&self, room: Room) -> bool {
        let wanted = if self.reserve.exists() { 0 } else { room.reserve() + room.kept_free() };
        room.free < wanted + room.kept_free()
    }

    /// Makes the reserve, where it is not there. Only where room is not scarce.
    pub(super) fn make_reserve(&self, room: Room) {
        if self.reserve.exists() {
            return;
        }
        if let Err(error) = allocate(&self.reserve, room.reserve()) {
            tracing::warn!(%error, "no reserve could be made beside the database");
            drop(std::fs::remove_file(&self.reserve));
        }
    }
}

/// Makes a file whose blocks are really there.
fn allocate(path: &Path, size: u64) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    if fallocate(&file, FallocateFlags::empty(), 0, size).is_err() {
        // A file system that cannot promise blocks is given them one by one.
        let block = vec![0x50_u8; 1 << 20];
        for _ in 0..size / MIB {
            file.write_all(&block)?;
        }
    }
    file.sync_all()
}
