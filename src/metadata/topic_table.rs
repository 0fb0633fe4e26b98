//! All topics by id and by name, cheap to copy after a small change.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::ids::TopicId;
use crate::metadata::topic_image::TopicImage;

/// Parts of the table. A changed table shares all parts but the changed ones with the one before, so that a change
/// among ten thousand topics copies some hundred pointers and not all of them.
const PARTS: usize = 128;

type Part<K> = Arc<BTreeMap<K, Arc<TopicImage>>>;

/// The topics.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicTable {
    by_id: Vec<Part<TopicId>>,
    /// Keyed by the name with dots as underscores: two topics whose names differ only in these can't both be,
    /// because their names in metrics would be the same.
    by_name: Vec<Part<String>>,
    len: usize,
}

impl Default for TopicTable {
    fn default() -> TopicTable {
        TopicTable {
            by_id: vec![Part::default(); PARTS],
            by_name: vec![Part::default(); PARTS],
            len: 0,
        }
    }
}

impl TopicTable {
    /// The topic with this id.
    pub fn by_id(&self, id: &TopicId) -> Option<&Arc<TopicImage>> {
        self.by_id[id_part(id)].get(id)
    }

    /// The topic with exactly this name.
    pub fn by_name(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.by_like_name(name).filter(|topic| &*topic.name == name)
    }

    /// The topic whose name is this one, or differs only in dots and underscores.
    pub fn by_like_name(&self, name: &str) -> Option<&Arc<TopicImage>> {
        let key = like_name(name);
        self.by_name[name_part(&key)].get(&*key)
    }

    /// All topics. The order is the same for the same topics.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.by_name.iter().flat_map(|part| part.values())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts a topic in, or in the place of the one with its id.
    pub(in crate::metadata) fn insert(&mut self, topic: Arc<TopicImage>) {
        let key = like_name(&topic.name).into_owned();
        let before = Arc::make_mut(&mut self.by_id[id_part(&topic.id)]).insert(topic.id, topic.clone());
        self.len += usize::from(before.is_none());
        let same_name = Arc::make_mut(&mut self.by_name[name_part(&key)]).insert(key, topic);
        assert_eq!(
            before.map(|topic| topic.id),
            same_name.map(|topic| topic.id),
            "a name has one topic"
        );
    }

    /// Takes a topic out.
    pub(in crate::metadata) fn remove(&mut self, id: &TopicId) -> Option<Arc<TopicImage>> {
        let topic = Arc::make_mut(&mut self.by_id[id_part(id)]).remove(id)?;
        let key = like_name(&topic.name);
        Arc::make_mut(&mut self.by_name[name_part(&key)]).remove(&*key);
        self.len -= 1;
        Some(topic)
    }
}

fn like_name(name: &str) -> Cow<'_, str> {
    if name.contains('.') {
        Cow::Owned(name.replace('.', "_"))
    } else {
        Cow::Borrowed(name)
    }
}

/// Ids are random.
fn id_part(id: &TopicId) -> usize {
    usize::from(id.0[15]) % PARTS
}

/// FNV-1a: short, and the same in every run.
fn name_part(key: &str) -> usize {
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (hash % PARTS as u64) as usize
}
