//! Reads the write-ahead log of one shard of one run, in the order of its frames, from all its files.
//!
//! Where a frame is missing the question is whether it was ever acknowledged. It was, if a later frame says so: each
//! carries the number below which all were durable when it was written. Else this is where the log was torn off.

use crate::base::limits::DISK_BLOCK_BYTES;
use crate::log::data_dir::DataDir;
use crate::log::file_names::{WalFileId, WalFileKind};
use crate::log::wal::{DirectoryEntry, FRAME_HEADER_BYTES, FrameHeader, parse_directory};
use crate::rt::{
    self,
    disk::{File, OpenOptions, ReadBuf},
};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::rc::Rc;
use tracing::info;

const BLOCK: u64 = DISK_BLOCK_BYTES as u64;
/// How much is read at a time while looking for frames.
const SCAN_BYTES: usize = 1 << 20;

/// An entry of a frame, with its bytes and whether they are what was written.
#[derive(Clone, Debug)]
pub(super) struct ChainEntry {
    pub entry: DirectoryEntry,
    pub bytes: ReadBuf,
    pub whole: bool,
}

/// What the chain gives, in order.
#[derive(Debug)]
pub(super) enum ChainEvent {
    /// A frame, or what is left of a damaged one whose directory is known.
    Frame {
        number: u64,
        path: Rc<PathBuf>,
        position: u64,
        entries: Vec<ChainEntry>,
    },
    /// Frames that were acknowledged are gone, and nobody knows whose records they held.
    Lost {
        up_to: u64,
        path: Rc<PathBuf>,
        position: u64,
        what: String,
    },
}

/// The files of one shard of one run.
#[derive(Debug)]
pub(super) struct WalChain {
    run: u64,
    shard: u16,
    kind: WalFileKind,
    files: Vec<ChainFile>,
    file: usize,
    position: u64,
    expected: Option<u64>,
    /// The first frame that was there.
    first: Option<u64>,
    /// The largest number below which a frame said all were retired.
    retired_below: u64,
    ready: Vec<ChainEvent>,
}

#[derive(Debug)]
struct ChainFile {
    path: Rc<PathBuf>,
    file: File,
    bytes: u64,
    file_use: u64,
    /// The number of the frame at its beginning.
    first: Option<u64>,
}

/// What stands at a place.
enum Found {
    Whole {
        header: FrameHeader,
        entries: Vec<ChainEntry>,
    },
    Nothing {
        what: String,
        unreadable: bool,
        /// The frame's number, if its header says it.
        number: Option<u64>,
    },
}

/// What is behind a place where a frame is missing.
#[derive(Default)]
struct Ahead {
    durable_below: u64,
    retired_below: u64,
    /// The next frame: number, file, position.
    next: Option<(u64, usize, u64)>,
    /// Headers of missing frames, from either of their ends: number to file and position.
    missing: BTreeMap<u64, (usize, u64, FrameHeader)>,
    unreadable: bool,
}

/// Of a file that can't be read: it counts as the last.
const UNKNOWN_USE: u64 = u64::MAX;

/// What is known of a file's place among the others.
enum Use {
    Known(u64),
    /// It may have been used, but what tells could not be read.
    Unreadable,
    None,
}

impl WalChain {
    /// Opens the files and brings them into order: those of a ring, or one that was taken out of it.
    pub async fn open(data_dir: &DataDir, ids: &[WalFileId]) -> std::io::Result<WalChain> {
        let (run, shard) = (ids[0].run, ids[0].shard);
        let mut chain = WalChain {
            run,
            shard,
            kind: ids[0].kind,
            files: Vec::new(),
            file: 0,
            position: 0,
            expected: None,
            first: None,
            // What left the ring with a file is needed, whatever number the ring has come to since.
            retired_below: match ids[0].kind {
                WalFileKind::Ring => data_dir.retired_below(run, shard),
                WalFileKind::Pinned => 0,
            },
            ready: Vec::new(),
        };
        for id in ids {
            let path = Rc::new(data_dir.wal_path(*id));
            let options = OpenOptions {
                read: true,
                ..OpenOptions::default()
            };
            let file = match File::open(&*path, &options).await {
                Ok(file) => file,
                // Removed since it was listed, by the process before this one: so it was not needed any more.
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            };
            let bytes = file.len()?;
            let begin = file.read_at(0, FRAME_HEADER_BYTES).await.ok();
            let first = begin.and_then(|b| chain.header(&b, bytes));
            let mut chain_file = ChainFile {
                path,
                file,
                bytes,
                file_use: 0,
                first: first.map(|h| h.frame),
            };
            let used = match first {
                Some(header) => Use::Known(header.file_use),
                None => chain.newest_use(&chain_file).await,
            };
            match used {
                Use::Known(file_use) => {
                    chain_file.file_use = file_use;
                    chain.files.push(chain_file);
                }
                Use::Unreadable => {
                    chain_file.file_use = UNKNOWN_USE;
                    chain.files.push(chain_file);
                }
                // Never written, or only begun.
                Use::None => chain_file.file.close().await?,
            }
        }
        chain.files.sort_by_key(|f| f.file_use);
        Ok(chain)
    }

    /// The number of the frame behind the last one there.
    pub fn end(&self) -> u64 {
        self.expected.unwrap_or(0)
    }

    /// The frames below this are elsewhere: in files that were taken out of the ring.
    pub fn explained_below(&mut self, frame: u64) {
        self.retired_below = self.retired_below.max(frame);
    }

    /// When in its run the first file was begun.
    pub fn begun(&self) -> u64 {
        self.files.first().map_or(0, |f| f.file_use)
    }

    /// Run and shard.
    pub fn id(&self) -> (u64, u16) {
        (self.run, self.shard)
    }

    /// Closes the files.
    pub async fn close(self) {
        for file in self.files {
            // Nothing was written.
            let _ = file.file.close().await;
        }
    }

    /// The next event, `None` at the end.
    pub async fn next(&mut self) -> Option<ChainEvent> {
        loop {
            if let Some(event) = self.ready.pop() {
                return Some(event);
            }
            let Some(file) = self.files.get(self.file) else {
                return self.missing_before();
            };
            if self.position + BLOCK > file.bytes {
                self.file += 1;
                self.position = 0;
                continue;
            }
            let found = self.frame_at(self.file, self.position).await;
            match found {
                Found::Whole { header, entries } if self.expected.is_none_or(|n| n == header.frame) => {
                    let event = ChainEvent::Frame {
                        number: header.frame,
                        path: file.path.clone(),
                        position: self.position,
                        entries,
                    };
                    self.position += u64::from(header.frame_bytes);
                    self.expected = Some(header.frame + 1);
                    self.first.get_or_insert(header.frame);
                    self.retired_below = self.retired_below.max(header.retired_below);
                    return Some(event);
                }
                Found::Whole { header, .. } => {
                    let what = format!("frame {} stands there", header.frame);
                    self.missing(what, false).await;
                }
                Found::Nothing {
                    what,
                    unreadable,
                    number,
                } => {
                    self.expected = self.expected.or(number);
                    self.missing(what, unreadable).await;
                }
            }
        }
    }

    /// At the end: the frames before the first one there were retired, or a file of theirs is gone.
    fn missing_before(&mut self) -> Option<ChainEvent> {
        let first = self.first.take().filter(|_| self.kind == WalFileKind::Ring)?;
        let path = self.files.first()?.path.clone();
        (first > self.retired_below).then(|| ChainEvent::Lost {
            up_to: first,
            path,
            position: 0,
            what: format!("the frames from {} to {first} are in no file", self.retired_below),
        })
    }

    /// The frame expected here is not here: goes on to where it is, or ends the chain, or says what is lost.
    async fn missing(&mut self, what: String, unreadable: bool) {
        let next_file = self.files.get(self.file + 1);
        if self.expected.is_some() && next_file.is_some_and(|f| f.first == self.expected) {
            self.file += 1;
            self.position = 0;
            return;
        }
        let mut ahead = self.look_ahead().await;
        ahead.retired_below = ahead.retired_below.max(self.retired_below);
        let expected = self.expected.unwrap_or(0);
        let (path, position) = (self.files[self.file].path.clone(), self.position);
        if let Some((number, file, position)) = ahead.next
            && Some(number) == self.expected
            && (file, position) != (self.file, self.position)
        {
            // In a file whose beginning could not be read at first.
            (self.file, self.position) = (file, position);
            return;
        }
        let unreadable = unreadable || ahead.unreadable;
        if ahead.durable_below <= expected && !unreadable {
            info!(wal = %path.display(), position, frame = expected, "the write-ahead log ends here");
            self.file = self.files.len();
            return;
        }
        let up_to = ahead.next.map_or(u64::MAX, |(number, _, _)| number);
        if ahead.retired_below < up_to {
            let known = self.salvage(&ahead, up_to).await;
            let first = expected.max(ahead.retired_below);
            // A frame's number is known only where the one before was seen.
            let all = self.expected.is_some() && up_to < u64::MAX && known == up_to - first;
            if !all {
                self.ready.insert(
                    0,
                    ChainEvent::Lost {
                        up_to,
                        path,
                        position,
                        what,
                    },
                );
            }
        }
        match ahead.next {
            Some((number, file, position)) => {
                self.file = file;
                self.position = position;
                self.expected = Some(number);
            }
            None => self.file = self.files.len(),
        }
    }

    /// Makes events of the missing frames whose directory can be read, last first. Returns how many.
    async fn salvage(&mut self, ahead: &Ahead, up_to: u64) -> u64 {
        let mut known = 0;
        for (number, (file, position, header)) in ahead.missing.iter().rev() {
            if *number >= up_to || *number < ahead.retired_below {
                continue;
            }
            let of_frame = &self.files[*file];
            let Ok(bytes) = of_frame
                .file
                .read_at(*position, header.frame_bytes as usize)
                .await
            else {
                continue;
            };
            let Some(entries) = entries(header, &bytes) else {
                continue;
            };
            known += 1;
            self.ready.push(ChainEvent::Frame {
                number: *number,
                path: of_frame.path.clone(),
                position: *position,
                entries,
            });
        }
        known
    }

    /// Looks at every block from here on for headers of frames.
    async fn look_ahead(&self) -> Ahead {
        let mut ahead = Ahead::default();
        let expected = self.expected.unwrap_or(0);
        for (index, file) in self.files.iter().enumerate().skip(self.file) {
            let mut at = if index == self.file { self.position } else { 0 };
            while at + BLOCK <= file.bytes {
                let Ok(bytes) = file.file.read_at(at, SCAN_BYTES).await else {
                    ahead.unreadable = true;
                    at += SCAN_BYTES as u64;
                    continue;
                };
                for (i, block) in bytes.as_chunks::<DISK_BLOCK_BYTES>().0.iter().enumerate() {
                    let begin = at + (i * DISK_BLOCK_BYTES) as u64;
                    let end = begin + BLOCK;
                    let here = index == self.file && begin == self.position;
                    let front = self.header(block, file.bytes).map(|h| (h, begin, true));
                    let back = self.header(&block[DISK_BLOCK_BYTES - FRAME_HEADER_BYTES..], file.bytes);
                    let back = back.and_then(|h| {
                        end.checked_sub(u64::from(h.frame_bytes))
                            .map(|begin| (h, begin, false))
                    });
                    for (header, begin, is_front) in front.into_iter().chain(back) {
                        let of_this_use = [header.file_use, UNKNOWN_USE].contains(&file.file_use);
                        if !of_this_use || header.frame < expected {
                            continue;
                        }
                        ahead
                            .missing
                            .entry(header.frame)
                            .or_insert((index, begin, header));
                        if here && header.frame == expected && self.expected.is_some() {
                            // The damaged frame itself is no witness.
                            continue;
                        }
                        ahead.durable_below = ahead.durable_below.max(header.durable_below);
                        ahead.retired_below = ahead.retired_below.max(header.retired_below);
                        let elsewhere = !here && self.expected.is_none_or(|n| n == header.frame);
                        let later = header.frame > expected || elsewhere;
                        if is_front && later && ahead.next.is_none_or(|(n, _, _)| header.frame < n) {
                            ahead.next = Some((header.frame, index, begin));
                        }
                    }
                }
                at += (bytes.len() as u64).max(BLOCK) / BLOCK * BLOCK;
                rt::yield_if_needed().await;
            }
        }
        ahead
    }

    /// The number of times the ring had gone on to a file when the newest frame in `file` was written.
    async fn newest_use(&self, file: &ChainFile) -> Use {
        let mut newest = None;
        let mut unreadable = false;
        let mut at = 0;
        while at + BLOCK <= file.bytes {
            let Ok(bytes) = file.file.read_at(at, SCAN_BYTES).await else {
                unreadable = true;
                at += SCAN_BYTES as u64;
                continue;
            };
            for block in bytes.as_chunks::<DISK_BLOCK_BYTES>().0 {
                newest = newest.max(self.header(block, file.bytes).map(|h| h.file_use));
            }
            at += (bytes.len() as u64).max(BLOCK) / BLOCK * BLOCK;
            rt::yield_if_needed().await;
        }
        match newest {
            Some(file_use) => Use::Known(file_use),
            None if unreadable => Use::Unreadable,
            None => Use::None,
        }
    }

    fn header(&self, bytes: &[u8], file_bytes: u64) -> Option<FrameHeader> {
        FrameHeader::parse(bytes)
            .filter(|h| h.run == self.run && h.shard == self.shard && u64::from(h.frame_bytes) <= file_bytes)
    }

    async fn frame_at(&self, index: usize, position: u64) -> Found {
        let file = &self.files[index];
        let nothing = |what: &str, number| Found::Nothing {
            what: what.to_string(),
            unreadable: false,
            number,
        };
        let unreadable = |e: std::io::Error| Found::Nothing {
            what: e.to_string(),
            unreadable: true,
            number: None,
        };
        let begin = match file.file.read_at(position, DISK_BLOCK_BYTES).await {
            Ok(begin) => begin,
            Err(e) => return unreadable(e),
        };
        let Some(header) = self.header(&begin, file.bytes) else {
            return nothing("there is no frame", None);
        };
        if header.file_use != file.file_use {
            return nothing("the frame there is of an earlier use of the file", None);
        }
        if position + u64::from(header.frame_bytes) > file.bytes {
            return nothing("the frame goes past the end of the file", None);
        }
        let bytes = match file.file.read_at(position, header.frame_bytes as usize).await {
            Ok(bytes) => bytes,
            Err(e) => return unreadable(e),
        };
        let number = Some(header.frame);
        match entries(&header, &bytes) {
            Some(entries) if entries.iter().all(|e| e.whole) => Found::Whole { header, entries },
            Some(_) => nothing("a checksum of the frame's batches does not match", number),
            None => nothing("the checksum of the frame's directory does not match", number),
        }
    }
}

/// The entries of a frame, by either copy of its directory.
fn entries(header: &FrameHeader, frame: &ReadBuf) -> Option<Vec<ChainEntry>> {
    if frame.len() != header.frame_bytes as usize {
        return None;
    }
    let copy = frame.len() - FRAME_HEADER_BYTES - header.directory_bytes();
    let directory = parse_directory(header, &frame[FRAME_HEADER_BYTES..])
        .or_else(|| parse_directory(header, &frame[copy..]))?;
    let mut at = FRAME_HEADER_BYTES + header.directory_bytes();
    let mut entries = Vec::with_capacity(directory.len());
    for entry in directory {
        let bytes = frame.slice(at..at + entry.bytes as usize);
        at += entry.bytes as usize;
        let whole = entry.matches(&bytes);
        entries.push(ChainEntry { entry, bytes, whole });
    }
    Some(entries)
}
