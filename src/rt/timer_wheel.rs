//! The timer wheel: any number of timers, each for the price of a list node. Hot path: a waiting fetch adds one entry
//! and removes it.
//!
//! Six levels of 64 slots. A slot of level 0 holds the timers of one tick (a millisecond), one of level 1 those of 64
//! ticks, and so on; when time reaches a slot of a higher level its timers move down. Adding and removing touch a
//! constant number of nodes. The wheel knows nothing of clocks or tasks: it is told the time and gives wakers back.

use std::task::Waker;

/// 64 slots, so that one word says which are occupied.
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// 64^6 ms are more than two years; what lies further is put there and moved on when its slot comes.
const LEVELS: usize = 6;
/// One slot of the highest level less than the whole, so that a far timer never lands in the slot time is in now.
const SPAN_TICKS: u64 = (SLOTS as u64 - 1) << (SLOT_BITS * (LEVELS as u32 - 1));
const NONE: u32 = u32::MAX;

/// Names a timer in its wheel, until it fires or is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimerKey {
    index: u32,
    generation: u32,
}

#[derive(Debug)]
struct Entry {
    deadline: u64,
    waker: Option<Waker>,
    slot: u16,
    previous: u32,
    next: u32,
    generation: u32,
}

/// See the head of the file.
#[derive(Debug)]
pub(super) struct TimerWheel {
    /// Every timer with a deadline up to here has fired.
    elapsed: u64,
    entries: Vec<Entry>,
    free: Vec<u32>,
    heads: Box<[u32; SLOTS * LEVELS]>,
    tails: Box<[u32; SLOTS * LEVELS]>,
    occupied: [u64; LEVELS],
}

impl TimerWheel {
    /// An empty wheel whose time is `now` ticks.
    pub(super) fn new(now: u64) -> TimerWheel {
        TimerWheel {
            elapsed: now,
            entries: Vec::new(),
            free: Vec::new(),
            heads: Box::new([NONE; SLOTS * LEVELS]),
            tails: Box::new([NONE; SLOTS * LEVELS]),
            occupied: [0; LEVELS],
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.entries.len() == self.free.len()
    }

    /// Adds a timer that fires with the first [`TimerWheel::advance`] to `deadline` or later.
    pub(super) fn insert(&mut self, deadline: u64, waker: Waker) -> TimerKey {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.entries.len()).expect("fewer than 2^32 timers");
                self.entries.push(Entry {
                    deadline: 0,
                    waker: None,
                    slot: 0,
                    previous: NONE,
                    next: NONE,
                    generation: 0,
                });
                index
            }
        };
        let entry = &mut self.entries[index as usize];
        entry.deadline = deadline;
        entry.waker = Some(waker);
        let key = TimerKey {
            index,
            generation: entry.generation,
        };
        self.link(index);
        key
    }

    /// Whether the timer has neither fired nor been removed; if so, `waker` is whom it wakes from now on.
    pub(super) fn rearm(&mut self, key: TimerKey, waker: &Waker) -> bool {
        match self.live(key) {
            Some(entry) => {
                entry
                    .waker
                    .as_mut()
                    .expect("a live timer has a waker")
                    .clone_from(waker);
                true
            }
            None => false,
        }
    }

    /// Removes a timer; none if it has fired.
    pub(super) fn remove(&mut self, key: TimerKey) {
        if self.live(key).is_some() {
            self.unlink(key.index);
            self.release(key.index);
        }
    }

    /// The tick to advance to next: not later than the next deadline, maybe earlier.
    pub(super) fn next_event(&self) -> Option<u64> {
        self.next_slot().map(|(_, tick)| tick)
    }

    /// Moves time forward and appends the wakers of the timers that fired, in the order of their deadlines' slots.
    pub(super) fn advance(&mut self, now: u64, fired: &mut Vec<Waker>) {
        while let Some((slot, tick)) = self.next_slot() {
            if tick > now {
                break;
            }
            self.elapsed = self.elapsed.max(tick);
            let mut index = self.take_slot(slot);
            while index != NONE {
                let next = self.entries[index as usize].next;
                if self.entries[index as usize].deadline <= self.elapsed {
                    fired.extend(self.release(index));
                } else {
                    self.link(index);
                }
                index = next;
            }
        }
        self.elapsed = self.elapsed.max(now);
    }

    fn live(&mut self, key: TimerKey) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(key.index as usize)?;
        (entry.generation == key.generation && entry.waker.is_some()).then_some(entry)
    }

    /// The occupied slot whose time comes first, and that time. Lower levels hold what is nearer.
    fn next_slot(&self) -> Option<(usize, u64)> {
        for level in 0..LEVELS {
            if self.occupied[level] == 0 {
                continue;
            }
            let shift = SLOT_BITS * level as u32;
            let here = (self.elapsed >> shift) & (SLOTS as u64 - 1);
            let ahead = u64::from(self.occupied[level].rotate_right(here as u32).trailing_zeros());
            let slot = (here + ahead) & (SLOTS as u64 - 1);
            // On the highest level the wheel may have to go round once; below, a slot behind this one cannot be
            // occupied, for its timers lie on a higher level.
            let tick = ((self.elapsed >> shift) + ahead) << shift;
            return Some((level * SLOTS + slot as usize, tick.max(self.elapsed)));
        }
        None
    }

    fn take_slot(&mut self, slot: usize) -> u32 {
        self.occupied[slot / SLOTS] &= !(1 << (slot % SLOTS));
        self.tails[slot] = NONE;
        std::mem::replace(&mut self.heads[slot], NONE)
    }

    fn link(&mut self, index: u32) {
        // A deadline that has passed fires with the next advance; one beyond the wheel waits in its last slot.
        let deadline = self.entries[index as usize].deadline;
        let deadline = deadline.clamp(self.elapsed, self.elapsed + SPAN_TICKS);
        let difference = (self.elapsed ^ deadline) | (SLOTS as u64 - 1);
        let level = ((63 - difference.leading_zeros()) / SLOT_BITS).min(LEVELS as u32 - 1);
        let within = (deadline >> (SLOT_BITS * level)) & (SLOTS as u64 - 1);
        let slot = level as usize * SLOTS + within as usize;
        let tail = self.tails[slot];
        let entry = &mut self.entries[index as usize];
        entry.slot = slot as u16;
        entry.previous = tail;
        entry.next = NONE;
        self.tails[slot] = index;
        if tail == NONE {
            self.heads[slot] = index;
            self.occupied[level as usize] |= 1 << within;
        } else {
            self.entries[tail as usize].next = index;
        }
    }

    fn unlink(&mut self, index: u32) {
        let Entry {
            slot, previous, next, ..
        } = self.entries[index as usize];
        let slot = usize::from(slot);
        match previous {
            NONE => self.heads[slot] = next,
            _ => self.entries[previous as usize].next = next,
        }
        match next {
            NONE => self.tails[slot] = previous,
            _ => self.entries[next as usize].previous = previous,
        }
        if self.heads[slot] == NONE {
            self.occupied[slot / SLOTS] &= !(1 << (slot % SLOTS));
        }
    }

    fn release(&mut self, index: u32) -> Option<Waker> {
        let entry = &mut self.entries[index as usize];
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(index);
        entry.waker.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SplitMix;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::task::Wake;

    struct Mark(AtomicU64);

    impl Wake for Mark {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The same timers in a plain list.
    struct Listed {
        deadline: u64,
        key: TimerKey,
        mark: Arc<Mark>,
    }

    fn run(seed: u64) {
        let mut random = SplitMix::new(seed);
        let mut now = random.below(1 << 40);
        let mut wheel = TimerWheel::new(now);
        let mut listed: Vec<Listed> = Vec::new();
        for _ in 0..2000 {
            match random.below(10) {
                0..=4 => {
                    let far = 1 << random.below(40);
                    let deadline = (now + random.below(far)).saturating_sub(random.below(3));
                    let mark = Arc::new(Mark(AtomicU64::new(0)));
                    let key = wheel.insert(deadline, Waker::from(mark.clone()));
                    listed.push(Listed { deadline, key, mark });
                }
                5..=6 if !listed.is_empty() => {
                    let gone = listed.swap_remove(random.below(listed.len() as u64) as usize);
                    assert!(wheel.rearm(gone.key, &Waker::from(gone.mark.clone())));
                    wheel.remove(gone.key);
                    assert!(!wheel.rearm(gone.key, &Waker::from(gone.mark.clone())));
                    wheel.remove(gone.key);
                    assert_eq!(gone.mark.0.load(Ordering::Relaxed), 0);
                }
                _ => {
                    let soonest = listed.iter().map(|l| l.deadline).min();
                    match (wheel.next_event(), soonest) {
                        (Some(event), Some(soonest)) => assert!(event <= soonest.max(now)),
                        (event, soonest) => assert_eq!(event, soonest),
                    }
                    let far = 1 << random.below(34);
                    now = match random.below(3) {
                        0 => wheel.next_event().unwrap_or(now),
                        _ => now + random.below(far),
                    };
                    let mut fired = Vec::new();
                    wheel.advance(now, &mut fired);
                    let due = listed.iter().filter(|l| l.deadline <= now).count();
                    assert_eq!(fired.len(), due, "seed {seed}");
                    fired.into_iter().for_each(Waker::wake);
                    listed.retain(|l| {
                        assert_eq!(
                            l.mark.0.load(Ordering::Relaxed),
                            u64::from(l.deadline <= now),
                            "seed {seed}"
                        );
                        l.deadline > now
                    });
                }
            }
            assert_eq!(wheel.is_empty(), listed.is_empty());
        }
    }

    #[test]
    fn behaves_as_a_plain_list() {
        for seed in 0..50 {
            run(seed);
        }
    }

    #[test]
    fn following_next_event_reaches_every_deadline_exactly() {
        let mut random = SplitMix::new(3);
        let mut wheel = TimerWheel::new(123);
        let mut deadlines: Vec<u64> = (0..300).map(|_| 123 + random.below(1 << 30)).collect();
        let mark = Arc::new(Mark(AtomicU64::new(0)));
        for deadline in &deadlines {
            wheel.insert(*deadline, Waker::from(mark.clone()));
        }
        deadlines.sort_unstable();
        let (mut steps, mut reached) = (0, Vec::new());
        while let Some(event) = wheel.next_event() {
            let mut fired = Vec::new();
            wheel.advance(event, &mut fired);
            reached.extend(fired.iter().map(|_| event));
            steps += 1;
        }
        assert_eq!(reached, deadlines);
        assert!(steps < 300 * LEVELS, "{steps} steps");
    }
}
