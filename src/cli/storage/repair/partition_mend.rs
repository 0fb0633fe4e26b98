//! Takes out of a partition's segments what is damaged. A stop at any moment leaves what can be repaired again: what is taken out is
//! kept and synced before, and a file is changed at one moment.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::partition_look::PartitionLook;
use super::repair_plan::{Cut, RepairPlan};
use crate::base::ids::Offset;
use crate::cli::storage::durable_files::{replace_file, sync_dir, write_file};
use crate::log::file_names::{LEADER_EPOCH_CHECKPOINT, PARTITION_METADATA, SegmentFile};
use crate::log::transfer::{Epochs, PartitionCopier};
use crate::log::{AbortedTransaction, partition_metadata};

/// Ends the names of files with what was taken out. Nobody reads them.
pub const DAMAGED_SUFFIX: &str = ".damaged";
/// Bytes that are read at a time.
const PIECE_BYTES: usize = 1 << 20;

/// A partition at rest that is being mended.
pub struct PartitionMend<'a> {
    /// What is there.
    pub look: &'a PartitionLook,
    /// What is to be done.
    pub plan: &'a RepairPlan,
}

impl PartitionMend<'_> {
    /// Mends its files. Gives those with what was taken out.
    pub fn run(&self) -> anyhow::Result<Vec<PathBuf>> {
        let dir = &self.look.dir;
        if !dir.is_dir() {
            return match self.plan.begin_at {
                Some(offset) => begin_at(self.look, offset).map(|()| Vec::new()),
                None => Ok(Vec::new()),
            };
        }
        let mut kept = Vec::new();
        for cut in &self.plan.cuts {
            for range in &cut.ranges {
                kept.extend(self.keep(&SegmentFile::Log.path(dir, cut.base), *range)?);
            }
        }
        for (path, _) in &self.look.to_rebuild {
            let bytes = fs::metadata(path)
                .with_context(|| format!("could not read {}", path.display()))?
                .len();
            kept.extend(self.keep(path, (0, bytes))?);
        }
        sync_dir(dir)?;
        for segment in &self.look.segments {
            let cut = self.plan.cuts.iter().find(|cut| cut.base == segment.base);
            let is_synced = segment.next_offset <= self.look.known.recovery_point;
            match cut {
                Some(cut) if is_synced && cut.ranges[0].1 == cut.log_bytes => self.shorten(cut)?,
                // What was not known to be synced may be readable and yet never reach the disk: it is written anew.
                None if is_synced => {}
                cut => self.rewrite(segment.base, segment.log_bytes - segment.zeros, cut)?,
            }
        }
        self.rebuild()?;
        if let Some(offset) = self.plan.begin_at {
            begin_at(self.look, offset)?;
        }
        sync_dir(dir)?;
        Ok(kept)
    }

    /// Copies bytes of a file to one beside it. `None` if they are zeros.
    fn keep(&self, path: &Path, (from, to): (u64, u64)) -> anyhow::Result<Option<PathBuf>> {
        let reading = || format!("could not read {}", path.display());
        let mut file = File::open(path).with_context(reading)?;
        let mut open = || -> io::Result<_> {
            file.seek(SeekFrom::Start(from))?;
            Ok(BufReader::with_capacity(
                PIECE_BYTES,
                file.try_clone()?.take(to - from),
            ))
        };
        if is_zeros(open().with_context(reading)?).with_context(reading)? {
            return Ok(None);
        }
        for nth in 0.. {
            let more = if nth == 0 {
                String::new()
            } else {
                format!("-{nth}")
            };
            let copy = PathBuf::from(format!("{}.{from}{more}{DAMAGED_SUFFIX}", path.display()));
            let writing = || format!("could not write {}", copy.display());
            let mut out = match File::create_new(&copy) {
                Ok(out) => out,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let there =
                        BufReader::with_capacity(PIECE_BYTES, File::open(&copy).with_context(writing)?);
                    // A repair that was stopped has left it, whole or not: what it lacks is still in its place.
                    match starts_with(open().with_context(reading)?, there).with_context(reading)? {
                        true => File::create(&copy).with_context(writing)?,
                        false => continue,
                    }
                }
                Err(error) => return Err(error).with_context(writing),
            };
            let copied = io::copy(&mut open().with_context(reading)?, &mut out).and_then(|_| out.sync_all());
            copied.with_context(writing)?;
            return Ok(Some(copy));
        }
        unreachable!("there are always more names")
    }

    fn shorten(&self, cut: &Cut) -> anyhow::Result<()> {
        let path = SegmentFile::Log.path(&self.look.dir, cut.base);
        let file = OpenOptions::new().write(true).open(&path);
        file.and_then(|file| file.set_len(cut.ranges[0].0).and_then(|()| file.sync_all()))
            .with_context(|| format!("could not cut {}", path.display()))
    }

    /// Puts a file in the segment's place that has all but what is cut.
    fn rewrite(&self, base: Offset, bytes: u64, cut: Option<&Cut>) -> anyhow::Result<()> {
        let path = SegmentFile::Log.path(&self.look.dir, base);
        // Recovery removes what a stop leaves of it.
        let anew = PathBuf::from(format!("{}.tmp", path.display()));
        let ranges = cut.map_or(&[][..], |cut| &cut.ranges);
        let write = || -> io::Result<()> {
            let mut from = File::open(&path)?;
            let mut to = File::create(&anew)?;
            let mut position = 0;
            for (begin, end) in ranges.iter().copied().chain([(bytes, bytes)]) {
                from.seek(SeekFrom::Start(position))?;
                io::copy(&mut (&mut from).take(begin.saturating_sub(position)), &mut to)?;
                position = position.max(end);
            }
            to.sync_all()?;
            fs::rename(&anew, &path)?;
            File::open(&self.look.dir)?.sync_all()
        };
        write()
            .inspect_err(|_| {
                let _ = fs::remove_file(&anew);
            })
            .with_context(|| format!("could not write {} anew", path.display()))
    }

    /// Makes anew, from the batches, the files that tell what is in them.
    fn rebuild(&self) -> anyhow::Result<()> {
        let dir = &self.look.dir;
        let indexes = |base: Offset| {
            let changed = self.plan.cuts.iter().any(|cut| cut.base == base);
            changed || self.look.index_trouble.iter().any(|(of, _)| *of == base)
        };
        let to_rebuild = |path: &Path| self.look.to_rebuild.iter().any(|(bad, _)| bad == path);
        let mut copier = PartitionCopier::new(Epochs::Keep);
        for segment in &self.look.segments {
            let base = segment.base;
            let path = SegmentFile::Log.path(dir, base);
            let file = File::open(&path).with_context(|| format!("could not open {}", path.display()))?;
            let mut log = BufReader::with_capacity(PIECE_BYTES, file);
            let seen = copier
                .segment(base, &mut log, &mut io::sink())
                .with_context(|| path.display().to_string())?;
            if indexes(base) {
                replace_file(&SegmentFile::OffsetIndex.path(dir, base), &seen.offset_index)?;
                replace_file(&SegmentFile::TimeIndex.path(dir, base), &seen.time_index)?;
            }
            let aborted = SegmentFile::TransactionIndex.path(dir, base);
            if to_rebuild(&aborted) {
                replace_file(&aborted, &AbortedTransaction::encode_all(&seen.aborted))?;
            }
        }
        let path = dir.join(LEADER_EPOCH_CHECKPOINT);
        if to_rebuild(&path) {
            let mut epochs = copier.epochs().clone();
            epochs.truncate_to(self.look.known.log_start.min(self.plan.segments_end));
            replace_file(&path, &epochs.encode())?;
        }
        Ok(())
    }
}

/// Lets the log go on at an offset, behind all that is in its segments: with an empty segment there.
pub fn begin_at(look: &PartitionLook, offset: Offset) -> anyhow::Result<()> {
    let dir = &look.dir;
    if !dir.is_dir() {
        fs::create_dir(dir).with_context(|| format!("could not create {}", dir.display()))?;
    }
    let owner = dir.join(PARTITION_METADATA);
    if !owner.exists() {
        write_file(&owner, &partition_metadata::encode(look.id.topic))?;
    }
    let path = SegmentFile::Log.path(dir, offset);
    if !path.exists() {
        write_file(&path, &[])?;
    }
    sync_dir(dir)?;
    dir.parent().map_or(Ok(()), sync_dir)
}

fn is_zeros(mut bytes: impl Read) -> io::Result<bool> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match bytes.read(&mut piece)? {
            0 => return Ok(true),
            n if piece[..n].iter().any(|byte| *byte != 0) => return Ok(false),
            _ => {}
        }
    }
}

/// Whether all of `begin` is how `all` begins.
fn starts_with(mut all: impl Read, mut begin: impl Read) -> io::Result<bool> {
    let (mut piece, mut same) = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
    loop {
        let n = begin.read(&mut piece)?;
        if n == 0 {
            return Ok(true);
        }
        match all.read_exact(&mut same[..n]) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            read => read?,
        }
        if piece[..n] != same[..n] {
            return Ok(false);
        }
    }
}
