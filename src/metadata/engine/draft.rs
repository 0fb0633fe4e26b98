//! The image as it will be, and the records that lead there.

use crate::metadata::cluster_image::ClusterImage;
use crate::metadata::record::Record;

pub(super) struct Draft {
    pub(super) image: ClusterImage,
    records: Vec<Record>,
}

impl Draft {
    pub(super) fn of(image: &ClusterImage) -> Draft {
        Draft {
            image: image.clone(),
            records: Vec::new(),
        }
    }

    /// Adds a record. The planner has checked that it fits.
    pub(super) fn record(&mut self, record: Record) {
        if let Err(unfit) = self.image.apply(&record) {
            panic!("planned a record that does not fit: {unfit}: {record:?}");
        }
        self.records.push(record);
    }

    /// The records, and the image after them: one version on if there are any.
    pub(super) fn finish(mut self, before: &ClusterImage) -> (Vec<Record>, ClusterImage) {
        let steps = u64::from(!self.records.is_empty());
        self.image.set_version(before.version() + steps);
        (self.records, self.image)
    }
}
