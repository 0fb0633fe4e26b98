//! The server a test talks to: a broker process of its own.
//!
//! With `CORELANE_TEST_BROKER=HOST:PORT` in the environment it is that broker instead, which may be Apache Kafka: what the
//! tests say of Kafka's behaviour can be checked at the source. What only we do is left out then.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::fixture::client::Client;
use crate::fixture::{Broker, Options};

/// A running server. It is stopped when this is dropped, and must end in good order then.
pub struct Server {
    broker: Option<Broker>,
    addresses: Vec<String>,
}

impl Server {
    /// Starts a server with two shards.
    pub fn start() -> Server {
        Server::start_with(&[])
    }

    /// Starts a server with two shards and these settings.
    pub fn start_with(settings: &[(&str, &str)]) -> Server {
        if let Ok(address) = std::env::var("CORELANE_TEST_BROKER") {
            return Server {
                broker: None,
                addresses: vec![address],
            };
        }
        let options = settings.iter().fold(Options::shards(2), |options, (key, value)| {
            options.set(key, value)
        });
        let broker = Broker::start(options);
        let addresses = broker.addresses().to_vec();
        Server {
            broker: Some(broker),
            addresses,
        }
    }

    /// A broker that the test itself starts, kills and stops.
    pub fn of(broker: &Broker) -> Server {
        Server {
            broker: None,
            addresses: broker.addresses().to_vec(),
        }
    }

    /// Where all shards listen, in order.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// A connection to the first shard.
    pub fn client(&self) -> Client {
        Client::connect(&self.addresses[0])
    }

    /// Whether this is another broker, given from outside.
    pub fn is_foreign(&self) -> bool {
        self.broker.is_none()
    }

    /// A name no other test uses for a topic.
    pub fn topic(&self, stem: &str) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        format!(
            "{stem}-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(broker) = &mut self.broker
            && !std::thread::panicking()
        {
            broker.stop();
        }
    }
}
