// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a calling convention puts the arguments of a call: pure arithmetic, the same on every machine.

/// How one argument or result travels. Pointers are [`Scalar::U64`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// `_Bool`.
    Bool,
    /// `int8_t`.
    I8,
    /// `uint8_t`.
    U8,
    /// `int16_t`.
    I16,
    /// `uint16_t`.
    U16,
    /// `int32_t`.
    I32,
    /// `uint32_t`.
    U32,
    /// `int64_t`.
    I64,
    /// `uint64_t`.
    U64,
    /// `float`.
    F32,
    /// `double`.
    F64,
}

impl Scalar {
    /// Bytes in memory.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }

    /// Does it travel in the registers of floating-point numbers?
    #[must_use]
    pub fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }

    /// The 64 bits that stand for this value, of which a native caller has set only the lowest [`Scalar::size`] bytes:
    /// extended by sign or by zeros. Floating-point numbers keep their bit pattern.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the upper bits are not part of the value")]
    #[expect(clippy::cast_sign_loss, reason = "a bit pattern")]
    pub fn extend(self, bits: u64) -> u64 {
        match self {
            Self::Bool => u64::from(bits as u8 != 0),
            Self::I8 => i64::from(bits as i8) as u64,
            Self::U8 => u64::from(bits as u8),
            Self::I16 => i64::from(bits as i16) as u64,
            Self::U16 => u64::from(bits as u16),
            Self::I32 => i64::from(bits as i32) as u64,
            Self::U32 | Self::F32 => u64::from(bits as u32),
            Self::I64 | Self::U64 | Self::F64 => bits,
        }
    }
}

/// Where an argument lies when the stub is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The integer register of this number.
    Integer(usize),
    /// The floating-point register of this number.
    Float(usize),
    /// So many bytes above the first argument on the stack.
    Stack(usize),
}

/// A calling convention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convention {
    /// x86-64 outside Windows: System V ABI, AMD64 supplement, 3.2.3.
    SystemV,
    /// x86-64 Windows: a register belongs to a position, whatever is in it.
    WindowsX64,
    /// AArch64: AAPCS64, 6.4.
    Aapcs64,
    /// AArch64 of Apple: as AAPCS64, but arguments on the stack take only their size.
    Apple,
}

impl Convention {
    /// What C functions use where this program runs.
    pub const NATIVE: Self = if cfg!(target_arch = "aarch64") {
        if cfg!(target_vendor = "apple") { Self::Apple } else { Self::Aapcs64 }
    } else if cfg!(windows) {
        Self::WindowsX64
    } else {
        Self::SystemV
    };

    /// The place of each argument.
    #[must_use]
    pub fn places(self, parameters: &[Scalar]) -> Vec<Place> {
        match self {
            Self::WindowsX64 => parameters.iter().enumerate().map(|(at, scalar)| positional(at, *scalar)).collect(),
            Self::SystemV => counted(parameters, 6, false),
            Self::Aapcs64 => counted(parameters, 8, false),
            Self::Apple => counted(parameters, 8, true),
        }
    }
}

/// Windows: four registers, and 32 bytes above the return address that belong to the function called.
fn positional(at: usize, scalar: Scalar) -> Place {
    match at {
        0..4 if scalar.is_float() => Place::Float(at),
        0..4 => Place::Integer(at),
        _ => Place::Stack(at * 8),
    }
}

/// Integers and floating-point numbers take registers of their kinds in order, and the stack when those are used up.
fn counted(parameters: &[Scalar], integer_registers: usize, packed: bool) -> Vec<Place> {
    const FLOAT_REGISTERS: usize = 8;
    let (mut integers, mut floats, mut stack) = (0, 0, 0_usize);
    let mut place = |scalar: &Scalar| {
        if scalar.is_float() && floats < FLOAT_REGISTERS {
            floats += 1;
            return Place::Float(floats - 1);
        }
        if !scalar.is_float() && integers < integer_registers {
            integers += 1;
            return Place::Integer(integers - 1);
        }
        let size = if packed { scalar.size() } else { 8 };
        let at = stack.next_multiple_of(size);
        stack = at + size;
        Place::Stack(at)
    };
    parameters.iter().map(&mut place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    use Place::{Float, Integer, Stack};

    #[test]
    fn system_v_counts_registers_by_kind() {
        let mut parameters = vec![Scalar::I32, Scalar::F64, Scalar::U8, Scalar::F32];
        assert_eq!(Convention::SystemV.places(&parameters), [Integer(0), Float(0), Integer(1), Float(1)]);
        parameters.extend([Scalar::I64; 6]);
        parameters.extend([Scalar::F64; 8]);
        let places = Convention::SystemV.places(&parameters);
        assert_eq!(places[7..10], [Integer(5), Stack(0), Stack(8)]);
        assert_eq!(places[14..], [Float(6), Float(7), Stack(16), Stack(24)]);
    }

    #[test]
    fn windows_counts_positions() {
        let parameters = [Scalar::I32, Scalar::F64, Scalar::U8, Scalar::F32, Scalar::F64, Scalar::U8];
        let places = Convention::WindowsX64.places(&parameters);
        assert_eq!(places, [Integer(0), Float(1), Integer(2), Float(3), Stack(32), Stack(40)]);
    }

    #[test]
    fn apple_packs_what_lies_on_the_stack() {
        let mut parameters = vec![Scalar::U64; 8];
        parameters.extend([Scalar::U8, Scalar::I16, Scalar::Bool, Scalar::I32, Scalar::U64]);
        assert_eq!(Convention::Aapcs64.places(&parameters)[8..], [0, 8, 16, 24, 32].map(Stack));
        assert_eq!(Convention::Apple.places(&parameters)[8..], [0, 2, 4, 8, 16].map(Stack));
    }

    #[test]
    fn only_the_bytes_of_a_value_count() {
        let garbage = 0xdead_beef_dead_be80;
        assert_eq!(Scalar::I8.extend(garbage), 0xffff_ffff_ffff_ff80);
        assert_eq!(Scalar::U8.extend(garbage), 0x80);
        assert_eq!(Scalar::I16.extend(garbage), 0xffff_ffff_ffff_be80);
        assert_eq!(Scalar::U32.extend(garbage), 0xdead_be80);
        assert_eq!(Scalar::Bool.extend(0xff00), 0);
        assert_eq!(Scalar::Bool.extend(0xff02), 1);
    }
}
