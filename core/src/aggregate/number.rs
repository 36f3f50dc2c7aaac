//! What can be added up: [`Number`]s, and [`Addend`]s, which are numbers or options of them.

use crate::record::Record;

/// A number of which there are sums.
///
/// | of | the total is | the sum is |
/// |---|---|---|
/// | integers up to 64 bits | `i128` | `i128`, exact: it would take 2^63 records to overflow |
/// | `f32`, `f64` | sum and correction, both `f64` (Neumaier) | `f64` |
///
/// A compensated sum hardly depends on the order of the numbers: whatever the order, and in however many pieces it was taken, it differs
/// from the exact sum by at most 1e-15 times the sum of the magnitudes, for up to a hundred million numbers. Infinities and `NaN` give
/// what plain addition gives; so does a sum that overflows on the way, and whether it does is then up to the order.
#[diagnostic::on_unimplemented(
    message = "values of type `{Self}` cannot be calculated with",
    note = "sums, averages, variances and quantiles are of integers up to 64 bits, floats, and options of these"
)]
pub trait Number: Copy + Send + 'static {
    /// What a running sum is kept as.
    type Total: Record;
    /// The sum.
    type Sum: Record;

    /// As a float; integers above 2^53 are rounded.
    fn to_f64(self) -> f64;
    /// The total of nothing.
    fn zero() -> Self::Total;
    /// Adds this number.
    fn add(self, total: &mut Self::Total);
    /// Adds another total.
    fn merge(total: &mut Self::Total, other: <Self::Total as Record>::View<'_>);
    /// The sum of a total.
    fn sum(total: &Self::Total) -> Self::Sum;
    /// The sum of a total as a float.
    fn sum_f64(total: &Self::Total) -> f64;

    /// True if totals can be subtracted, exactly.
    const SUBTRACTS: bool = false;
    /// Takes away a total that has been merged into this one.
    fn subtract(total: &mut Self::Total, other: <Self::Total as Record>::View<'_>) {
        let _ = (total, other);
        unreachable!("only integers are subtracted");
    }
}

macro_rules! integer {
    ($($type:ty)*) => { $(
        impl Number for $type {
            type Total = i128;
            type Sum = i128;

            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }

            #[inline(always)]
            fn zero() -> i128 {
                0
            }

            #[inline(always)]
            fn add(self, total: &mut i128) {
                *total += i128::from(self);
            }

            #[inline(always)]
            fn merge(total: &mut i128, other: i128) {
                *total += other;
            }

            #[inline(always)]
            fn sum(total: &i128) -> i128 {
                *total
            }

            #[inline(always)]
            fn sum_f64(total: &i128) -> f64 {
                *total as f64
            }

            const SUBTRACTS: bool = true;

            #[inline(always)]
            fn subtract(total: &mut i128, other: i128) {
                *total -= other;
            }
        }
    )* };
}

integer! { u8 u16 u32 u64 i8 i16 i32 i64 }

macro_rules! float {
    ($($type:ty)*) => { $(
        impl Number for $type {
            type Total = (f64, f64);
            type Sum = f64;

            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }

            #[inline(always)]
            fn zero() -> (f64, f64) {
                (0.0, 0.0)
            }

            #[inline(always)]
            fn add(self, total: &mut (f64, f64)) {
                add_compensated(total, f64::from(self));
            }

            #[inline(always)]
            fn merge(total: &mut (f64, f64), (sum, correction): (f64, f64)) {
                add_compensated(total, sum);
                total.1 += correction;
            }

            #[inline(always)]
            fn sum(total: &(f64, f64)) -> f64 {
                compensated(*total)
            }

            #[inline(always)]
            fn sum_f64(total: &(f64, f64)) -> f64 {
                compensated(*total)
            }
        }
    )* };
}

float! { f32 f64 }

/// Adds to a sum, and what rounding takes off the smaller of the two numbers to its correction.
#[inline(always)]
fn add_compensated((sum, correction): &mut (f64, f64), number: f64) {
    let next = *sum + number;
    *correction += if sum.abs() >= number.abs() { (*sum - next) + number } else { (number - next) + *sum };
    *sum = next;
}

/// A sum that is not finite stays so, and its correction means nothing.
#[inline(always)]
fn compensated((sum, correction): (f64, f64)) -> f64 {
    if sum.is_finite() { sum + correction } else { sum }
}

/// What `sum`, `avg`, `variance`, `std_dev` and `quantiles` take: a [`Number`], or an option of one. A `None` is left out; if nothing is left, so is the result.
#[diagnostic::on_unimplemented(
    message = "values of type `{Self}` cannot be calculated with",
    label = "the closure returns `{Self}`",
    note = "sums, averages, variances and quantiles are of integers up to 64 bits, floats, and options of these"
)]
pub trait Addend: Copy + Send + 'static {
    /// The number that may be in it.
    type Number: Number;
    /// What a running sum is kept as.
    type Total: Record;
    /// The sum: an option if this is one.
    type Sum: Record;
    /// The average, or another float made of the values: an option if this is one.
    type Mean: Record;

    /// The number in it.
    fn number(self) -> Option<Self::Number>;
    /// The total of nothing.
    fn start() -> Self::Total;
    /// Adds this value.
    fn add_to(self, total: &mut Self::Total);
    /// Adds another total.
    fn join(total: &mut Self::Total, other: <Self::Total as Record>::View<'_>);
    /// The sum of a total.
    fn result(total: &Self::Total) -> Self::Sum;
    /// The average, or another float made of the values, if there is any; a plain float is `NaN` otherwise.
    fn mean(of: Option<f64>) -> Self::Mean;

    /// True if totals can be subtracted, exactly. Of options none are: what is left when all have been subtracted is not told from a sum of 0.
    const SUBTRACTS: bool = false;
    /// Takes away a total that has been joined to this one.
    fn leave(total: &mut Self::Total, other: <Self::Total as Record>::View<'_>) {
        let _ = (total, other);
        unreachable!("only totals of integers are subtracted");
    }
}

#[diagnostic::do_not_recommend]
impl<N: Number> Addend for N {
    type Number = N;
    type Total = N::Total;
    type Sum = N::Sum;
    type Mean = f64;

    #[inline(always)]
    fn number(self) -> Option<N> {
        Some(self)
    }

    #[inline(always)]
    fn start() -> N::Total {
        N::zero()
    }

    #[inline(always)]
    fn add_to(self, total: &mut N::Total) {
        self.add(total);
    }

    #[inline(always)]
    fn join(total: &mut N::Total, other: <N::Total as Record>::View<'_>) {
        N::merge(total, other);
    }

    #[inline(always)]
    fn result(total: &N::Total) -> N::Sum {
        N::sum(total)
    }

    #[inline(always)]
    fn mean(of: Option<f64>) -> f64 {
        of.unwrap_or(f64::NAN)
    }

    const SUBTRACTS: bool = N::SUBTRACTS;

    #[inline(always)]
    fn leave(total: &mut N::Total, other: <N::Total as Record>::View<'_>) {
        N::subtract(total, other);
    }
}

impl<N: Number> Addend for Option<N> {
    type Number = N;
    type Total = Option<N::Total>;
    type Sum = Option<N::Sum>;
    type Mean = Option<f64>;

    #[inline(always)]
    fn number(self) -> Option<N> {
        self
    }

    #[inline(always)]
    fn start() -> Option<N::Total> {
        None
    }

    #[inline(always)]
    fn add_to(self, total: &mut Option<N::Total>) {
        if let Some(number) = self {
            number.add(total.get_or_insert_with(N::zero));
        }
    }

    #[inline(always)]
    fn join(total: &mut Option<N::Total>, other: Option<<N::Total as Record>::View<'_>>) {
        if let Some(other) = other {
            N::merge(total.get_or_insert_with(N::zero), other);
        }
    }

    #[inline(always)]
    fn result(total: &Option<N::Total>) -> Option<N::Sum> {
        total.as_ref().map(N::sum)
    }

    #[inline(always)]
    fn mean(of: Option<f64>) -> Option<f64> {
        of
    }
}
