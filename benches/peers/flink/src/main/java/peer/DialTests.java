package peer;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.util.Arrays;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.java.tuple.Tuple4;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.file.src.reader.StreamFormat;
import org.apache.flink.core.fs.FSDataInputStream;

/**
 * Lines of a part of a file, decoded: key (service, city, channel with commas between), time in ms, ok,
 * latency in ms or not a number.
 *
 * <p>A part owns the lines that begin in it, so a file can be read in parts side by side, which Flink's
 * own line format does not do.
 */
final class DialTests implements StreamFormat<Tuple4<String, Long, Boolean, Double>> {
    private static final long serialVersionUID = 1;
    private static final int BUFFER_BYTES = 64 * 1024;

    @Override
    public Reader createReader(Configuration config, FSDataInputStream stream, long fileLength, long end)
            throws IOException {
        return new Reader(stream, end);
    }

    @Override
    public Reader restoreReader(
            Configuration config, FSDataInputStream stream, long offset, long fileLength, long end) {
        throw new UnsupportedOperationException("the benchmark does not recover");
    }

    @Override
    public boolean isSplittable() {
        return true;
    }

    @Override
    public TypeInformation<Tuple4<String, Long, Boolean, Double>> getProducedType() {
        return TypeInformation.of(new TypeHint<>() {});
    }

    static final class Reader implements StreamFormat.Reader<Tuple4<String, Long, Boolean, Double>> {
        private final JsonFactory json = new JsonFactory();
        private final FSDataInputStream stream;
        private final long end;
        private byte[] buffer = new byte[BUFFER_BYTES];
        private int begin;
        private int filled;
        /** Place in the file of {@code buffer[begin]}. */
        private long place;

        Reader(FSDataInputStream stream, long end) throws IOException {
            this.stream = stream;
            this.end = end;
            place = stream.getPos();
            if (place > 0) {
                // From the byte before: the line there is this part's only if that byte ends another.
                place--;
                stream.seek(place);
                take(lineEnd());
            }
        }

        @Override
        public Tuple4<String, Long, Boolean, Double> read() throws IOException {
            while (place < end) {
                int length = lineEnd();
                if (length < 0) {
                    return null;
                }
                // Only now: finding the end may have moved the line to the front of the buffer.
                int from = begin;
                take(length);
                Tuple4<String, Long, Boolean, Double> event = decode(from, length);
                if (event != null) {
                    return event;
                }
            }
            return null;
        }

        @Override
        public void close() throws IOException {
            stream.close();
        }

        /** Bytes up to and with the end of the line at {@code begin}; -1 when there is no line left. */
        private int lineEnd() throws IOException {
            int at = begin;
            while (true) {
                for (; at < filled; at++) {
                    if (buffer[at] == '\n') {
                        return at + 1 - begin;
                    }
                }
                if (begin > 0) {
                    System.arraycopy(buffer, begin, buffer, 0, filled - begin);
                    at -= begin;
                    filled -= begin;
                    begin = 0;
                } else if (filled == buffer.length) {
                    buffer = Arrays.copyOf(buffer, 2 * buffer.length);
                }
                int read = stream.read(buffer, filled, buffer.length - filled);
                if (read < 0) {
                    return filled > begin ? filled - begin : -1;
                }
                filled += read;
            }
        }

        private void take(int length) {
            if (length > 0) {
                begin += length;
                place += length;
            }
        }

        private Tuple4<String, Long, Boolean, Double> decode(int from, int length) throws IOException {
            String type = null;
            String service = null;
            String city = null;
            String channel = null;
            long ts = 0;
            boolean ok = false;
            double latency = Double.NaN;
            try (JsonParser parser = json.createParser(buffer, from, length)) {
                if (parser.nextToken() != JsonToken.START_OBJECT) {
                    return null;
                }
                for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
                    JsonToken value = parser.nextToken();
                    switch (name) {
                        case "type" -> type = parser.getText();
                        case "service" -> service = parser.getText();
                        case "city" -> city = parser.getText();
                        case "channel" -> channel = parser.getText();
                        case "ts" -> ts = parser.getLongValue();
                        case "ok" -> ok = parser.getBooleanValue();
                        case "latency_ms" ->
                                latency = value == JsonToken.VALUE_NULL ? Double.NaN : parser.getDoubleValue();
                        default -> parser.skipChildren();
                    }
                }
            }
            if (!"dial_test".equals(type)) {
                return null;
            }
            return Tuple4.of(service + ',' + city + ',' + channel, ts, ok, latency);
        }
    }
}
