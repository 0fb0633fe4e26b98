//! Reads files, one after the other, on a thread of its own.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use anyhow::Context;

/// How much is read at once. A guess: large enough that the channel costs nothing, small enough to keep both sides busy.
const BLOCK_BYTES: usize = 256 * 1024;

/// Blocks that may wait to be taken.
const BLOCKS_AHEAD: usize = 8;

/// The name of standard input on the command line.
const STDIN: &str = "-";

/// A piece of what is read.
#[derive(Debug)]
pub enum Piece {
    /// Some bytes of the current file.
    Block(Vec<u8>),
    /// The current file has ended.
    FileEnd,
    /// The file cannot be read; nothing follows.
    Failed { name: String, error: io::Error },
}

/// What there is to read.
#[derive(Debug)]
pub struct Input {
    sources: Vec<(String, File)>,
    total_bytes: Option<u64>,
    is_terminal: bool,
}

impl Input {
    /// Opens the files, or stdin if there are none.
    pub fn open(paths: &[PathBuf]) -> anyhow::Result<Input> {
        let stdin = [PathBuf::from(STDIN)];
        let paths = if paths.is_empty() { &stdin[..] } else { paths };
        let mut input = Input {
            sources: Vec::new(),
            total_bytes: Some(0),
            is_terminal: false,
        };
        for path in paths {
            let file = if path == Path::new(STDIN) {
                input.is_terminal |= io::stdin().is_terminal();
                File::from(
                    io::stdin()
                        .as_fd()
                        .try_clone_to_owned()
                        .context("cannot use standard input")?,
                )
            } else {
                File::open(path).with_context(|| format!("cannot open {}", path.display()))?
            };
            let metadata = file
                .metadata()
                .with_context(|| format!("cannot look at {}", path.display()))?;
            input.total_bytes = input
                .total_bytes
                .filter(|_| metadata.is_file())
                .map(|sum| sum + metadata.len());
            input.sources.push((path.display().to_string(), file));
        }
        Ok(input)
    }

    /// How many bytes there are, if all of them are in files.
    pub fn total_bytes(&self) -> Option<u64> {
        self.total_bytes
    }

    /// Whether a person types them.
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Reads everything. The thread ends with the input, or when the receiver is dropped.
    pub fn read(self) -> Receiver<Piece> {
        let (sender, receiver) = sync_channel(BLOCKS_AHEAD);
        thread::spawn(move || {
            for (name, mut file) in self.sources {
                loop {
                    let mut block = vec![0; BLOCK_BYTES];
                    let piece = match file.read(&mut block) {
                        Ok(0) => Piece::FileEnd,
                        Ok(count) => {
                            block.truncate(count);
                            Piece::Block(block)
                        }
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                        Err(error) => Piece::Failed {
                            name: name.clone(),
                            error,
                        },
                    };
                    let is_end = matches!(piece, Piece::FileEnd);
                    let is_failed = matches!(piece, Piece::Failed { .. });
                    if sender.send(piece).is_err() || is_failed {
                        return;
                    }
                    if is_end {
                        break;
                    }
                }
            }
        });
        receiver
    }
}
