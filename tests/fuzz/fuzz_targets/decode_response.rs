//! A frame as a client meets it: the first two bytes choose API and version, the rest is the response.
#![no_main]

use bytes::Bytes;
use corelane::wire::api::ApiKey;
use corelane::wire::codec::{Message, Reader};
use corelane::wire::header::read_response_header;
use libfuzzer_sys::fuzz_target;

fn check<M: Message>(r: &mut Reader<'_>, version: i16) {
    if let Ok(message) = M::decode(r, version) {
        let bytes = message.to_bytes(version).expect("what was read can be written");
        let again = M::from_bytes(&bytes, version).expect("what was written can be read");
        // Not the structs: a float may be NaN.
        assert_eq!(again.to_bytes(version).as_ref(), Ok(&bytes));
    }
}

macro_rules! decode {
    (
        apis { $($key:literal $name:ident $module:ident $request:ident $response:ident;)* }
        data { $($ignored:tt)* }
    ) => {
        fn decode(api: ApiKey, r: &mut Reader<'_>, version: i16) {
            match api {
                $(ApiKey::$name => check::<corelane::wire::messages::$response>(r, version),)*
            }
        }
    };
}

corelane::for_each_message!(decode);

fuzz_target!(|data: &[u8]| {
    let [key, version, rest @ ..] = data else { return };
    let Some(api) = ApiKey::from_key(i16::from(*key)) else {
        return;
    };
    let version = i16::from(*version);
    let frame = Bytes::copy_from_slice(rest);
    let mut r = Reader::new(&frame);
    if read_response_header(&mut r, api, version).is_ok() {
        decode(api, &mut r, version);
    }
});
