// SPDX-License-Identifier: MIT OR Apache-2.0
//! The function pointers: a table of static stubs in ordinary program text. Each knows its number, saves the registers
//! that may hold arguments, and calls [`Target::call`] of what was bound to it. Stubs are never unbound and never bound
//! twice: a pointer means the same for the life of the process.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use moonport_core::errno;

use crate::layout::{Place, Scalar};
use crate::machine;

/// How many callbacks a process may make.
pub const COUNT: usize = machine::COUNT;

/// What a stub calls.
pub trait Target: Sync {
    /// A native call has come. Its results are zero unless this sets them. A panic in here ends at the stub.
    ///
    /// Thread: any.
    fn call(&'static self, call: &mut Call);

    /// [`Target::call`] has panicked: sets the results that its caller gets. They are zero unless this sets them.
    fn failed(&'static self, _: &mut Call) {}
}

/// A thin pointer to it is what the table holds.
struct Binding(&'static dyn Target);

static BINDINGS: [AtomicPtr<Binding>; COUNT] = [const { AtomicPtr::new(std::ptr::null_mut()) }; COUNT];
static USED: AtomicUsize = AtomicUsize::new(0);

/// A bound stub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stub(usize);

impl Stub {
    /// The function pointer. It can be called for the life of the process.
    #[must_use]
    pub fn address(self) -> *const c_void {
        machine::TABLE.address(self.0)
    }

    /// The bound stub with this address.
    ///
    /// Thread: any. Blocks: never.
    #[must_use]
    pub fn find(address: *const c_void) -> Option<Self> {
        let number = machine::TABLE.number(address)?;
        binding(number).is_some().then_some(Self(number))
    }

    /// Its place in the table, from 0.
    #[must_use]
    pub fn number(self) -> usize {
        self.0
    }
}

/// Binds the next free stub to `target`; `None` if all are used up.
///
/// Thread: any. Blocks: never.
#[must_use]
pub fn bind(target: &'static dyn Target) -> Option<Stub> {
    let next = |used: usize| (used < COUNT).then_some(used + 1);
    let number = USED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()?;
    let binding = Box::into_raw(Box::new(Binding(target)));
    // Pairs with the load in `binding`: who sees the pointer sees the target.
    BINDINGS.get(number)?.store(binding, Ordering::Release);
    Some(Stub(number))
}

/// How many stubs were bound by now.
#[must_use]
pub fn used() -> usize {
    USED.load(Ordering::Relaxed)
}

fn binding(number: usize) -> Option<&'static Binding> {
    let binding = BINDINGS.get(number)?.load(Ordering::Acquire);
    // SAFETY: `bind` leaked it; it is never freed.
    unsafe { binding.as_ref() }
}

/// One native call: its arguments, and its results.
#[derive(Debug)]
pub struct Call {
    registers: *mut machine::Registers,
    stack: *const u8,
}

impl Call {
    /// An argument, as [`Scalar::extend`] gives it; `place` comes from [`crate::layout::Convention::places`] for the
    /// signature that the caller has used.
    #[must_use]
    pub fn argument(&self, place: Place, scalar: Scalar) -> u64 {
        // SAFETY: the stub's frame outlives the call.
        let registers = unsafe { &*self.registers };
        let bits = match place {
            Place::Integer(at) => registers.integers.get(at).copied().unwrap_or(0),
            Place::Float(at) => registers.floats.get(at).copied().unwrap_or(0),
            Place::Stack(offset) => self.on_stack(offset, scalar.size()),
        };
        scalar.extend(bits)
    }

    fn on_stack(&self, offset: usize, size: usize) -> u64 {
        let mut bytes = [0_u8; 8];
        let size = size.min(bytes.len());
        // SAFETY: the caller has put an argument of this size there, by the signature that the place is from.
        unsafe { std::ptr::copy_nonoverlapping(self.stack.wrapping_add(offset), bytes.as_mut_ptr(), size) };
        u64::from_le_bytes(bytes)
    }

    /// The result of a function that returns such a value: its bits, in the form of [`Scalar::extend`].
    pub fn set_result(&mut self, scalar: Scalar, bits: u64) {
        let bits = scalar.extend(bits);
        // SAFETY: the stub's frame outlives the call.
        let registers = unsafe { &mut *self.registers };
        if scalar.is_float() {
            registers.floats[0] = bits;
        } else {
            registers.integers[0] = bits;
        }
    }
}

/// What every stub calls. The thread's errno is the same afterwards.
///
/// # Safety
/// Only the stubs call it, with their number and their frame.
pub(crate) unsafe extern "C" fn enter(number: usize, registers: *mut machine::Registers, stack: *const u8) {
    errno::keep(|| {
        let mut call = Call { registers, stack };
        let binding = binding(number);
        let finished = binding.map(|binding| catch_unwind(AssertUnwindSafe(|| binding.0.call(&mut call))));
        if !matches!(finished, Some(Ok(()))) {
            call.set_result(Scalar::U64, 0);
            call.set_result(Scalar::F64, 0);
            // Should this panic too, the results stay zero.
            if let Some(binding) = binding {
                catch_unwind(AssertUnwindSafe(|| binding.0.failed(&mut call))).unwrap_or(());
            }
        }
    });
}
