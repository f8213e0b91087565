//! Orders to `shim.c`, which is preloaded into a program: which of its system calls fail, and in which it dies.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What can be met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    SegmentWrite,
    SegmentSync,
    SegmentUnlink,
    FolderSync,
    StateWrite,
    PartRename,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(super) enum Mode {
    Pass = 0,
    FailOnce = 1,
    Fail = 2,
    KillBefore = 3,
    KillAfter = 4,
}

const TEXT: usize = 256;
const ORDER: usize = 20;
const CALLS: usize = 6;
/// Where the offset of the wall clock is. It is aligned to eight bytes.
const CLOCK: u64 = (2 * TEXT + CALLS * ORDER).next_multiple_of(8) as u64;

/// The orders to one program, in a file that it maps.
pub(super) struct Orders {
    path: PathBuf,
    file: File,
}

impl Orders {
    pub(super) fn new(folder: &Path, name: &str) -> Self {
        let path = folder.join(format!("{name}.orders"));
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        file.set_len(CLOCK + 8).unwrap();
        Self { path, file }
    }

    /// The program will follow these orders.
    pub(super) fn attach_to<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("LD_PRELOAD", shim()).env("TAMGA_FAULTS_ORDERS", &self.path)
    }

    /// From the call after `skip` others on.
    pub(super) fn give(&self, call: Call, mode: Mode, skip: i32, errno: i32) {
        let at = Self::at(call);
        self.file.write_all_at(&(Mode::Pass as i32).to_ne_bytes(), at).unwrap();
        for (field, value) in [(1, skip), (2, errno), (4, 0), (0, mode as i32)] {
            self.file.write_all_at(&value.to_ne_bytes(), at + 4 * field).unwrap();
        }
    }

    /// The program's wall clock is ahead of the true time by so many seconds.
    pub(super) fn move_clock(&self, ahead_s: i64) {
        self.file.write_all_at(&ahead_s.to_ne_bytes(), CLOCK).unwrap();
    }

    /// Nothing happens to it any longer.
    pub(super) fn lift(&self, call: Call) {
        self.file.write_all_at(&(Mode::Pass as i32).to_ne_bytes(), Self::at(call)).unwrap();
    }

    /// Only renames of parts below this folder are met.
    pub(super) fn parts_below(&self, folder: &str) {
        let mut text = [0; TEXT];
        text[..folder.len()].copy_from_slice(folder.as_bytes());
        self.file.write_all_at(&text, 0).unwrap();
    }

    /// What the last part that was met was to be called.
    pub(super) fn last_part(&self) -> String {
        let mut text = [0; TEXT];
        self.file.read_exact_at(&mut text, TEXT as u64).unwrap();
        String::from_utf8(text.split(|byte| *byte == 0).next().unwrap().to_vec()).unwrap()
    }

    /// How often an order was carried out.
    pub(super) fn done(&self, call: Call) -> i32 {
        let mut number = [0; 4];
        self.file.read_exact_at(&mut number, Self::at(call) + 16).unwrap();
        i32::from_ne_bytes(number)
    }

    fn at(call: Call) -> u64 {
        (2 * TEXT + call as usize * ORDER) as u64
    }
}

/// Compiles the shim, once.
fn shim() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let made = folder.path().join("shim.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/faults/shim.c");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .args([&made, &source])
            .args(["-ldl"])
            .output()
            .expect("a C compiler is needed, as it is for linking");
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        let shim = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults-shim.so");
        // Another test process may be doing the same: the rename lets each see a whole file.
        std::fs::rename(&made, &shim).unwrap();
        shim
    })
}
