package peer;

import java.io.Serializable;
import java.util.Arrays;

/**
 * What a window knows of its events: counts, the sum of the latencies, and a histogram for quantiles.
 *
 * <p>The histogram has the engine's own buckets: 32 an octave from 2^-10 to 2^24 ms. Only the span of
 * buckets that is used is kept.
 */
public final class Totals implements Serializable {
    private static final long serialVersionUID = 1;
    private static final int PER_OCTAVE_BITS = 5;
    private static final int BUCKETS = 34 << PER_OCTAVE_BITS;
    private static final long BUCKET_LOW = (1023L - 10) << PER_OCTAVE_BITS;
    private static final int SHIFT = 52 - PER_OCTAVE_BITS;
    /** Buckets added beyond a new one, so that the span does not grow one by one. */
    private static final int SPARE = 16;

    public long count;
    public long good;
    public long valued;
    public double sum;
    /** Bucket of {@code counts[0]}. */
    public int first;
    public int[] counts = {};

    /** Adds an event; a latency that is not a number is none. */
    public void add(boolean ok, double latencyMs) {
        count++;
        good += ok ? 1 : 0;
        if (!Double.isNaN(latencyMs)) {
            valued++;
            sum += latencyMs;
            int bucket = bucketOf(latencyMs);
            cover(bucket, bucket);
            counts[bucket - first]++;
        }
    }

    /** Adds another window's events. */
    public void add(Totals other) {
        count += other.count;
        good += other.good;
        valued += other.valued;
        sum += other.sum;
        if (other.counts.length == 0) {
            return;
        }
        cover(other.first, other.first + other.counts.length - 1);
        int shift = other.first - first;
        for (int at = 0; at < other.counts.length; at++) {
            counts[at + shift] += other.counts[at];
        }
    }

    public double ratio() {
        return (double) good / count;
    }

    public double mean() {
        return sum / valued;
    }

    /** Nearest rank: the middle of its bucket. */
    public double quantile(double share) {
        long rank = (long) Math.ceil(share * valued);
        long seen = 0;
        for (int at = 0; at < counts.length; at++) {
            seen += counts[at];
            if (seen >= rank) {
                long number = first + at + BUCKET_LOW;
                double low = Double.longBitsToDouble(number << SHIFT);
                double high = Double.longBitsToDouble((number + 1) << SHIFT);
                return low + (high - low) / 2;
            }
        }
        return Double.NaN;
    }

    private void cover(int low, int high) {
        if (counts.length == 0) {
            first = Math.max(0, low - SPARE);
            counts = new int[Math.min(BUCKETS, high + SPARE) - first + 1];
        } else if (low < first) {
            int begin = Math.max(0, low - SPARE);
            int[] wider = new int[counts.length + first - begin];
            System.arraycopy(counts, 0, wider, first - begin, counts.length);
            first = begin;
            counts = wider;
        }
        if (high >= first + counts.length) {
            counts = Arrays.copyOf(counts, Math.min(BUCKETS, high + SPARE) - first + 1);
        }
    }

    private static int bucketOf(double value) {
        long number = (Double.doubleToRawLongBits(value) >>> SHIFT) - BUCKET_LOW;
        return (int) Math.max(0, Math.min(BUCKETS - 1, number));
    }
}
