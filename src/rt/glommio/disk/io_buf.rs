//! Aligned memory, from the part of the executor's memory that is registered with the kernel.

use ::glommio::io::DmaBuffer;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

/// The `Rc` is shared only while a write is in flight.
pub(in crate::rt) struct IoBuf(Rc<DmaBuffer>);

impl IoBuf {
    pub(in crate::rt) fn with_capacity(bytes: usize) -> IoBuf {
        IoBuf(Rc::new(::glommio::allocate_dma_buffer(bytes)))
    }

    /// Makes it `len` bytes long, for good: glommio writes whole buffers, and what was cut off does not come back.
    pub(super) fn cut(&mut self, len: usize) {
        Rc::get_mut(&mut self.0).expect("not in flight").trim_to_size(len);
    }

    /// For a write in flight.
    pub(super) fn share(&self) -> Rc<DmaBuffer> {
        self.0.clone()
    }
}

impl Deref for IoBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl DerefMut for IoBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        Rc::get_mut(&mut self.0)
            .expect("nobody shares a buffer that can be written")
            .as_bytes_mut()
    }
}
