//! What a coordinator finds in its log: the first two bytes choose message and version, the rest is the record.
#![no_main]

use bytes::Bytes;
use corelane::wire::codec::Message;
use libfuzzer_sys::fuzz_target;

fn check<M: Message>(frame: &Bytes, version: i16) {
    if let Ok(message) = M::from_bytes(frame, version) {
        let bytes = message.to_bytes(version).expect("what was read can be written");
        assert_eq!(M::from_bytes(&bytes, version), Ok(message));
    }
}

macro_rules! list {
    (
        apis { $($ignored:tt)* }
        data { $($module:ident $data:ident;)* }
    ) => {
        const ALL: &[fn(&Bytes, i16)] = &[$(check::<corelane::wire::messages::stored::$data>,)*];
    };
}

corelane::for_each_message!(list);

fuzz_target!(|data: &[u8]| {
    let [which, version, rest @ ..] = data else { return };
    if let Some(check) = ALL.get(usize::from(*which)) {
        check(&Bytes::copy_from_slice(rest), i16::from(*version));
    }
});
