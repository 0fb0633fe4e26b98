//! Variants of a workload, for seeing how costs grow: `bench suite --vary partitions=1,10,100`.

use super::workload::Workload;

/// What is varied, and its values.
#[derive(Clone, Debug)]
pub struct Vary {
    what: What,
    values: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Partitions,
    Connections,
}

impl std::str::FromStr for Vary {
    type Err = String;

    fn from_str(text: &str) -> Result<Vary, String> {
        let (what, values) = text.split_once('=').ok_or("expected partitions=LIST")?;
        let what = match what {
            "partitions" => What::Partitions,
            "connections" => What::Connections,
            _ => return Err(format!("`{what}` is neither partitions nor connections")),
        };
        let values: Result<Vec<u32>, String> = values
            .split(',')
            .map(|value| match value.parse() {
                Ok(value @ 1..=1_000_000) => Ok(value),
                _ => Err(format!("`{value}` is not a number from 1 to 1000000")),
            })
            .collect();
        Ok(Vary {
            what,
            values: values?,
        })
    }
}

impl Vary {
    /// A variant of a workload for each value.
    pub fn variants(&self, workload: &Workload) -> Vec<Workload> {
        let variant = |value: &u32| {
            let mut variant = workload.clone();
            variant.variant_of = Some(workload.name.clone());
            let what = match self.what {
                What::Partitions => {
                    variant.topics.partitions = *value as i32;
                    "partitions"
                }
                What::Connections => {
                    variant.producers.connections = *value as usize;
                    "connections"
                }
            };
            variant.name = format!("{}-{value}-{what}", workload.name);
            variant.description = format!("{}; varied: {value} {what}", workload.description);
            variant
        };
        self.values.iter().map(variant).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_makes_a_variant_of_each() {
        let tiny = Workload::load("tiny").expect("a workload");
        let vary: Vary = "partitions=1,1000".parse().expect("a list");
        let variants = vary.variants(&tiny);
        let of = |i: usize| (variants[i].name.as_str(), variants[i].topics.partitions);
        assert_eq!(
            [of(0), of(1)],
            [("tiny-1-partitions", 1), ("tiny-1000-partitions", 1000)]
        );
        assert_eq!(variants[0].variant_of.as_deref(), Some("tiny"));
        for bad in ["partitions=", "partitions=0", "records=3", "partitions"] {
            assert!(bad.parse::<Vary>().is_err(), "{bad}");
        }
    }
}
