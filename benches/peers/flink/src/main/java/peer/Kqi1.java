package peer;

import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.serialization.SimpleStringEncoder;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.api.java.tuple.Tuple4;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.file.sink.FileSink;
import org.apache.flink.connector.file.src.FileSource;
import org.apache.flink.connector.file.src.assigners.SimpleSplitAssigner;
import org.apache.flink.core.fs.Path;
import org.apache.flink.runtime.util.EnvironmentInformation;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.SlidingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;

/**
 * The windows of kqi-1 by the DataStream API: {@code Kqi1 EVENTS OUT direct|panes ROUNDS}.
 *
 * <p>{@code direct} puts every event into one tumbling and five sliding windows, as the API is usually
 * written. {@code panes} makes the sliding windows from the tumbling ones. The job runs as often as
 * asked in the same JVM: the first round pays for the start and for compiling, the last is warm.
 */
public final class Kqi1 {
    private static final int PARALLELISM = 2;
    private static final Duration MINUTE = Duration.ofMinutes(1);
    private static final Duration SLIDING = Duration.ofMinutes(5);
    /** How far events may be behind the highest time: {@code allowed_lateness} of the rule book. */
    private static final Duration LATENESS = Duration.ofSeconds(35);

    private Kqi1() {}

    public static void main(String[] arguments) throws Exception {
        boolean panes = arguments[2].equals("panes");
        int rounds = Integer.parseInt(arguments[3]);
        List<String> told = new ArrayList<>();
        long cpuBefore = 0;
        for (int round = 0; round < rounds; round++) {
            long began = System.currentTimeMillis();
            clear(arguments[1]);
            StreamExecutionEnvironment environment = environment();
            plan(environment, arguments[0], arguments[1], panes);
            double job = environment.execute("kqi-1").getNetRuntime() / 1e3;
            long ended = System.currentTimeMillis();
            long start = round == 0 ? ManagementFactory.getRuntimeMXBean().getStartTime() : began;
            long cpu = cpuNanos();
            told.add(String.format("{\"wall\": %.3f, \"job\": %.3f, \"cpu\": %.3f}",
                    (ended - start) / 1e3, job, (cpu - cpuBefore) / 1e9));
            cpuBefore = cpu;
        }
        System.out.printf("{\"version\": \"%s, Java %s\", \"rounds\": %s}%n",
                EnvironmentInformation.getVersion(), System.getProperty("java.version"), told);
    }

    private static StreamExecutionEnvironment environment() {
        Configuration configuration = new Configuration();
        configuration.setString("execution.runtime-mode", "STREAMING");
        configuration.setString("pipeline.object-reuse", "true");
        // Every type has a serializer of its own: a fallback to Kryo would be slow, and is refused.
        configuration.setString("pipeline.generic-types", "false");
        configuration.setString("state.backend.type", "hashmap");
        return StreamExecutionEnvironment.createLocalEnvironment(PARALLELISM, configuration);
    }

    private static void plan(StreamExecutionEnvironment environment, String events, String out, boolean panes) {
        FileSource<Tuple4<String, Long, Boolean, Double>> source =
                FileSource.forRecordStreamFormat(new DialTests(), new Path(events))
                        .setFileEnumerator(Chunks::new)
                        .setSplitAssigner(SimpleSplitAssigner::new)
                        .build();
        WatermarkStrategy<Tuple4<String, Long, Boolean, Double>> watermarks =
                WatermarkStrategy.<Tuple4<String, Long, Boolean, Double>>forBoundedOutOfOrderness(LATENESS)
                        .withTimestampAssigner((event, before) -> event.f1);
        KeyedStream<Tuple4<String, Long, Boolean, Double>, String> keyed =
                environment.fromSource(source, watermarks, "dial tests").keyBy(event -> event.f0);
        var minutes = keyed.window(TumblingEventTimeWindows.of(MINUTE));
        if (panes) {
            var totals = minutes.aggregate(new OfEvents(), new ToPane());
            write(totals.map(pane -> row(pane.f0, pane.f2, pane.f2 + MINUTE.toMillis(), pane.f1)), out + "/1m");
            write(totals.keyBy(pane -> pane.f0)
                            .window(SlidingEventTimeWindows.of(SLIDING, MINUTE))
                            .aggregate(new OfPanes(), new ToRow()),
                    out + "/5m");
        } else {
            write(minutes.aggregate(new OfEvents(), new ToRow()), out + "/1m");
            write(keyed.window(SlidingEventTimeWindows.of(SLIDING, MINUTE)).aggregate(new OfEvents(), new ToRow()),
                    out + "/5m");
        }
    }

    private static void write(DataStream<String> rows, String folder) {
        rows.sinkTo(FileSink.forRowFormat(new Path(folder), new SimpleStringEncoder<String>()).build());
    }

    private static String row(String key, long startMs, long endMs, Totals totals) {
        return key + ',' + startMs + ',' + endMs + ',' + totals.count + ',' + totals.ratio() + ',' + totals.mean()
                + ',' + totals.quantile(0.95);
    }

    private static void clear(String folder) throws Exception {
        java.nio.file.Path path = java.nio.file.Path.of(folder);
        if (Files.exists(path)) {
            try (Stream<java.nio.file.Path> all = Files.walk(path)) {
                for (java.nio.file.Path one : all.sorted(Comparator.reverseOrder()).toList()) {
                    Files.delete(one);
                }
            }
        }
    }

    private static long cpuNanos() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
                .getProcessCpuTime();
    }

    /** Events into totals. */
    private static final class OfEvents
            implements AggregateFunction<Tuple4<String, Long, Boolean, Double>, Totals, Totals> {
        @Override
        public Totals createAccumulator() {
            return new Totals();
        }

        @Override
        public Totals add(Tuple4<String, Long, Boolean, Double> event, Totals totals) {
            totals.add(event.f2, event.f3);
            return totals;
        }

        @Override
        public Totals getResult(Totals totals) {
            return totals;
        }

        @Override
        public Totals merge(Totals one, Totals other) {
            one.add(other);
            return one;
        }
    }

    /** Totals of minutes into totals of five. */
    private static final class OfPanes implements AggregateFunction<Tuple3<String, Totals, Long>, Totals, Totals> {
        @Override
        public Totals createAccumulator() {
            return new Totals();
        }

        @Override
        public Totals add(Tuple3<String, Totals, Long> pane, Totals totals) {
            totals.add(pane.f1);
            return totals;
        }

        @Override
        public Totals getResult(Totals totals) {
            return totals;
        }

        @Override
        public Totals merge(Totals one, Totals other) {
            one.add(other);
            return one;
        }
    }

    /** A finished minute: key, totals, start in ms. */
    private static final class ToPane
            extends ProcessWindowFunction<Totals, Tuple3<String, Totals, Long>, String, TimeWindow> {
        @Override
        public void process(
                String key, Context context, Iterable<Totals> totals, Collector<Tuple3<String, Totals, Long>> out) {
            out.collect(Tuple3.of(key, totals.iterator().next(), context.window().getStart()));
        }
    }

    /** A finished window as a line. */
    private static final class ToRow extends ProcessWindowFunction<Totals, String, String, TimeWindow> {
        @Override
        public void process(String key, Context context, Iterable<Totals> totals, Collector<String> out) {
            TimeWindow window = context.window();
            out.collect(row(key, window.getStart(), window.getEnd(), totals.iterator().next()));
        }
    }
}
