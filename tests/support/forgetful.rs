//! A file system that forgets, when its power is cut, what was not made durable: one folder in memory, mounted through FUSE.
//!
//! A write is durable once its file was flushed after it, a name once the folder was. After a cut everything else is gone, or some
//! of it is: real disks write what they hold back in any order, block by block.

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    LockOwner, MountOption, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

/// What a disk writes at once.
const BLOCK: usize = 4096;

/// Names and files are asked for anew each time: after a cut they are others.
const NOT_KEPT: Duration = Duration::ZERO;

/// Which flushes the file system honours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Honours {
    /// All of them.
    Everything,
    /// Those of a write-ahead log only when something is next written to its database, as SQLite asks for with `synchronous=NORMAL`.
    LogsAtCheckpoints,
}

/// What is left of writes that were not durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Nothing.
    Nothing,
    /// Some blocks and not others, drawn from this seed.
    Some(u64),
}

#[derive(Debug, Default)]
struct File {
    now: Vec<u8>,
    kept: Vec<u8>,
    /// Where `now` may differ from `kept`.
    changed: Option<(usize, usize)>,
    /// Whether a flush was asked for and not honoured yet.
    owed: bool,
}

impl File {
    fn touch(&mut self, from: usize, to: usize) {
        self.changed = Some(self.changed.map_or((from, to), |changed| (changed.0.min(from), changed.1.max(to))));
    }

    fn resize(&mut self, size: usize) {
        let before = self.now.len();
        self.now.resize(size, 0);
        self.touch(before.min(size), before.max(size));
    }

    fn write(&mut self, from: usize, data: &[u8]) {
        if self.now.len() < from + data.len() {
            self.resize(from + data.len());
        }
        self.now[from..from + data.len()].copy_from_slice(data);
        self.touch(from, from + data.len());
    }

    fn flush(&mut self) {
        self.owed = false;
        let Some((from, to)) = self.changed.take() else { return };
        self.kept.resize(self.now.len(), 0);
        let to = to.min(self.now.len());
        if from < to {
            self.kept[from..to].copy_from_slice(&self.now[from..to]);
        }
    }

    /// Ends as the disk has it after a cut.
    fn cut(&mut self, dice: &mut Option<Dice>) {
        let Some(dice) = dice.as_mut().filter(|_| self.changed.is_some()) else {
            self.now = self.kept.clone();
            (self.changed, self.owed) = (None, false);
            return;
        };
        let size = if dice.coin() { self.now.len() } else { self.kept.len() };
        let mut left = vec![0; size];
        for start in (0..size).step_by(BLOCK) {
            let source = if dice.coin() { &self.now } else { &self.kept };
            let end = (start + BLOCK).min(size).min(source.len());
            if start < end {
                left[start..end].copy_from_slice(&source[start..end]);
            }
        }
        *self = File { now: left.clone(), kept: left, ..File::default() };
    }
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn coin(&mut self) -> bool {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) & 1 == 1
    }
}

#[derive(Debug)]
struct Disk {
    honours: Honours,
    files: BTreeMap<u64, File>,
    names: BTreeMap<String, u64>,
    kept_names: BTreeMap<String, u64>,
    /// The last number that a file was given; 1 is the folder.
    last: u64,
    /// Whether the power is off: nothing works any more.
    off: bool,
    flushes: u64,
}

impl Disk {
    fn file(&mut self, number: u64) -> Result<&mut File, Errno> {
        if self.off {
            return Err(Errno::EIO);
        }
        self.files.get_mut(&number).ok_or(Errno::ENOENT)
    }

    fn name_of(&self, number: u64) -> Option<&str> {
        self.names.iter().find(|it| *it.1 == number).map(|it| it.0.as_str())
    }

    fn write(&mut self, number: u64, from: usize, data: &[u8]) -> Result<(), Errno> {
        if self.honours == Honours::LogsAtCheckpoints && !self.off {
            let log = self.name_of(number).and_then(|name| self.names.get(&format!("{name}-wal"))).copied();
            if let Some(log) = log.and_then(|log| self.files.get_mut(&log)).filter(|log| log.owed) {
                log.flush();
            }
        }
        self.file(number)?.write(from, data);
        Ok(())
    }

    fn flush(&mut self, number: u64) -> Result<(), Errno> {
        let later = self.honours == Honours::LogsAtCheckpoints
            && self.name_of(number).is_some_and(|name| name.ends_with("-wal"));
        self.flushes += 1;
        let file = self.file(number)?;
        if later {
            file.owed = true
        } else {
            file.flush()
        }
        Ok(())
    }

    fn attr(&self, number: u64) -> Result<FileAttr, Errno> {
        let folder = number == INodeNo::ROOT.0;
        let size = match self.files.get(&number) {
            Some(file) => file.now.len() as u64,
            None if folder => 0,
            None => return Err(Errno::ENOENT),
        };
        let then = SystemTime::UNIX_EPOCH;
        Ok(FileAttr {
            ino: INodeNo(number),
            size,
            blocks: size.div_ceil(512),
            atime: then,
            mtime: then,
            ctime: then,
            crtime: then,
            kind: if folder { FileType::Directory } else { FileType::RegularFile },
            perm: if folder { 0o755 } else { 0o644 },
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: BLOCK as u32,
            flags: 0,
        })
    }

    fn cut(&mut self, left: Left) {
        let mut dice = match left {
            Left::Nothing => None,
            Left::Some(seed) => Some(Dice(seed)),
        };
        // Names change all at once or not at all: file systems promise that of a rename.
        if dice.as_mut().is_some_and(Dice::coin) {
            self.kept_names = self.names.clone();
        }
        self.names = self.kept_names.clone();
        let named: Vec<u64> = self.names.values().copied().collect();
        self.files.retain(|number, _| named.contains(number));
        self.files.values_mut().for_each(|file| file.cut(&mut dice));
    }
}

/// What the kernel talks to.
struct Server(Arc<Mutex<Disk>>);

impl Server {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().expect("nobody panicked with the disk")
    }
}

fn answer(done: Result<(), Errno>, reply: ReplyEmpty) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

fn text(name: &OsStr) -> String {
    name.to_string_lossy().into_owned()
}

impl Filesystem for Server {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let disk = self.disk();
        match disk.names.get(&text(name)).ok_or(Errno::ENOENT).and_then(|number| disk.attr(*number)) {
            Ok(attr) => reply.entry(&NOT_KEPT, &attr, Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.disk().attr(ino.0) {
            Ok(attr) => reply.attr(&NOT_KEPT, &attr),
            Err(error) => reply.error(error),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut disk = self.disk();
        let resized = match size {
            Some(size) => disk.file(ino.0).map(|file| file.resize(size as usize)),
            None => Ok(()),
        };
        match resized.and_then(|()| disk.attr(ino.0)) {
            Ok(attr) => reply.attr(&NOT_KEPT, &attr),
            Err(error) => reply.error(error),
        }
    }

    fn create(&self, _: &Request, _: INodeNo, name: &OsStr, _: u32, _: u32, _: i32, reply: ReplyCreate) {
        let mut disk = self.disk();
        if disk.off {
            return reply.error(Errno::EIO);
        }
        disk.last += 1;
        let number = disk.last;
        disk.files.insert(number, File::default());
        disk.names.insert(text(name), number);
        match disk.attr(number) {
            Ok(attr) => reply.created(&NOT_KEPT, &attr, Generation(0), FileHandle(0), FopenFlags::empty()),
            Err(error) => reply.error(error),
        }
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::empty());
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.disk().file(ino.0) {
            Ok(file) => {
                let from = (offset as usize).min(file.now.len());
                reply.data(&file.now[from..(from + size as usize).min(file.now.len())]);
            }
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.disk().write(ino.0, offset as usize, data) {
            Ok(()) => reply.written(data.len() as u32),
            Err(error) => reply.error(error),
        }
    }

    fn fallocate(&self, _: &Request, ino: INodeNo, _: FileHandle, from: u64, size: u64, _: i32, reply: ReplyEmpty) {
        let end = (from + size) as usize;
        answer(self.disk().file(ino.0).map(|file| file.resize(end.max(file.now.len()))), reply);
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        // Closing a file makes nothing durable.
        reply.ok();
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        answer(self.disk().flush(ino.0), reply);
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let mut disk = self.disk();
        if disk.off {
            return reply.error(Errno::EIO);
        }
        disk.kept_names = disk.names.clone();
        reply.ok();
    }

    fn unlink(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let mut disk = self.disk();
        // Its content stays: whoever has it open goes on, and the name may come back with a cut.
        let gone = if disk.off { None } else { disk.names.remove(&text(name)) };
        answer(gone.map(|_| ()).ok_or(Errno::ENOENT), reply);
    }

    fn rename(&self, _: &Request, _: INodeNo, name: &OsStr, _: INodeNo, to: &OsStr, _: RenameFlags, reply: ReplyEmpty) {
        let mut disk = self.disk();
        let moved = if disk.off { None } else { disk.names.remove(&text(name)) };
        if let Some(number) = moved {
            disk.names.insert(text(to), number);
        }
        answer(moved.map(|_| ()).ok_or(Errno::ENOENT), reply);
    }

    fn readdir(&self, _: &Request, _: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let disk = self.disk();
        for (place, (name, number)) in disk.names.iter().enumerate().skip(offset as usize) {
            if reply.add(INodeNo(*number), place as u64 + 1, FileType::RegularFile, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        // 4 GiB, nearly all of it free.
        reply.statfs(1 << 20, (1 << 20) - 1024, (1 << 20) - 1024, 1 << 16, 1 << 15, BLOCK as u32, 255, BLOCK as u32);
    }
}

/// The file system, mounted. Unmounted when it is dropped, by which time nothing may use it any more.
pub struct Forgetful {
    disk: Arc<Mutex<Disk>>,
    folder: TempDir,
    session: Option<BackgroundSession>,
}

impl Forgetful {
    /// An empty one.
    pub fn mount(honours: Honours) -> Forgetful {
        let (files, names) = (BTreeMap::new(), BTreeMap::new());
        let disk = Disk { honours, files, kept_names: names.clone(), names, last: 1, off: false, flushes: 0 };
        let folder = TempDir::with_prefix("pushback-forgetful-").expect("a folder");
        let mut it = Forgetful { disk: Arc::new(Mutex::new(disk)), folder, session: None };
        it.power_on();
        it
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Cuts the power: from now on nothing is written and nothing made durable.
    pub fn cut(&self) {
        self.disk.lock().expect("the disk").off = true;
    }

    /// Comes back after a cut with what was durable. The processes that used it must be gone.
    pub fn come_back(&mut self, left: Left) {
        self.unmount();
        {
            let mut disk = self.disk.lock().expect("the disk");
            disk.cut(left);
            disk.off = false;
        }
        self.power_on();
    }

    /// How often something was asked to be made durable.
    pub fn flushes(&self) -> u64 {
        self.disk.lock().expect("the disk").flushes
    }

    /// Copies what is there to an ordinary folder.
    pub fn copy_to(&self, folder: &Path) -> PathBuf {
        let disk = self.disk.lock().expect("the disk");
        for (name, number) in &disk.names {
            std::fs::write(folder.join(name), &disk.files[number].now).expect(name);
        }
        folder.to_owned()
    }

    fn power_on(&mut self) {
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("forgetful".to_owned()), MountOption::NoAtime];
        let mounted = fuser::spawn_mount(Server(self.disk.clone()), self.folder.path(), &config);
        self.session = Some(mounted.unwrap_or_else(|error| {
            panic!("the forgetful disk must be mounted ({error}): run the tests as root, where /dev/fuse is")
        }));
    }

    fn unmount(&mut self) {
        if let Some(session) = self.session.take() {
            session.umount_and_join().expect("nobody uses the forgetful disk any more");
        }
    }
}

impl Drop for Forgetful {
    fn drop(&mut self) {
        // Dropping the session unmounts as well, and says nothing where a failed test left it in use.
        drop(self.session.take());
    }
}
