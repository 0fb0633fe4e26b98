//! What one event may use and bring about.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use super::classic::ClassicGroup;
use super::deadlines::{Deadline, Deadlines};
use super::error::GroupError;
use super::event::{After, Answer, Command, Now, RequestId};
use super::request::{JoinAnswer, SyncAnswer};
use super::settings::GroupSettings;
use super::stored::StoredRecord;

/// The surroundings of a group while it handles an event.
pub(super) struct Step<'a> {
    pub now: Now,
    pub settings: &'a GroupSettings,
    pub deadlines: &'a mut Deadlines,
    pub effects: &'a mut Effects,
}

/// What an event brought about so far.
#[derive(Default)]
pub(super) struct Effects {
    pub commands: Vec<Command>,
    pub append: Option<PendingAppend>,
}

/// Records that are about to be appended, and what comes of it. State changes after the log took the records, so a
/// refusal leaves nothing to undo.
pub(super) struct PendingAppend {
    pub records: Vec<StoredRecord>,
    pub then: Then,
}

/// What to do when the records stand in the log, or do not.
pub(super) enum Then {
    /// Nothing waits.
    Nothing,
    /// Commits and deletions: the answer, or the same kind of answer with the refusal.
    Answer { request: RequestId, answer: Answer },
    /// The leader's assignments hold.
    Assign {
        group: Rc<str>,
        assignments: HashMap<Rc<str>, Bytes>,
    },
    /// A static member took over from an earlier self.
    ReplaceStatic(Box<StaticReplacement>),
}

/// A static member's replacement that awaits its record.
pub(super) struct StaticReplacement {
    pub group: ClassicGroup,
    pub old_member: Rc<str>,
    pub new_member: Rc<str>,
    pub request: RequestId,
    pub answer: JoinAnswer,
}

impl Step<'_> {
    /// Answers at once.
    pub fn answer(&mut self, request: RequestId, answer: Answer) {
        self.effects.commands.push(Command::Answer {
            request,
            answer,
            after: After::Nothing,
        });
    }

    /// Answers when all that was appended up to now is durable.
    pub fn answer_durable(&mut self, request: RequestId, answer: Answer) {
        self.effects.commands.push(Command::Answer {
            request,
            answer,
            after: After::Durable,
        });
    }

    pub fn refuse_join(&mut self, request: RequestId, error: GroupError, member_id: &Rc<str>) {
        self.answer(
            request,
            Answer::Join(JoinAnswer::refused(error, member_id.clone())),
        );
    }

    pub fn answer_sync(&mut self, request: RequestId, result: Result<SyncAnswer, GroupError>) {
        // An assignment may stem from a record that is still on its way to the disk.
        match result {
            Ok(_) => self.answer_durable(request, Answer::Sync(result)),
            Err(_) => self.answer(request, Answer::Sync(result)),
        }
    }

    /// Wants the records appended. Once per event.
    pub fn append(&mut self, records: Vec<StoredRecord>, then: Then) {
        assert!(self.effects.append.is_none(), "an event appends once");
        assert!(!records.is_empty());
        self.effects.append = Some(PendingAppend { records, then });
    }

    /// Sets a deadline `after_ms` from now; a negative time is none.
    pub fn set_deadline(&mut self, deadline: Deadline, after_ms: i32) {
        let after = Duration::from_millis(u64::try_from(after_ms).unwrap_or(0));
        self.deadlines.set(deadline, self.now.monotonic.plus(after));
    }
}
