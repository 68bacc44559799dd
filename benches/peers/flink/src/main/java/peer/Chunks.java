package peer;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.apache.flink.connector.file.src.FileSourceSplit;
import org.apache.flink.connector.file.src.enumerate.FileEnumerator;
import org.apache.flink.core.fs.FileStatus;
import org.apache.flink.core.fs.Path;

/**
 * Parts of a file small enough that readers side by side stay near each other in event time.
 *
 * <p>The last part is first in the list: the simple assigner hands parts out from the end.
 */
final class Chunks implements FileEnumerator {
    /** Some 16,000 events, which is 12 s of kqi-1. */
    private static final long BYTES = 4L << 20;

    @Override
    public Collection<FileSourceSplit> enumerateSplits(Path[] paths, int minimum) throws IOException {
        List<FileSourceSplit> splits = new ArrayList<>();
        for (Path path : paths) {
            FileStatus file = path.getFileSystem().getFileStatus(path);
            long length = file.getLen();
            long last = (length - 1) / BYTES;
            for (long part = last; part >= 0; part--) {
                long offset = part * BYTES;
                long size = Math.min(BYTES, length - offset);
                splits.add(new FileSourceSplit(
                        Long.toString(part), path, offset, size, file.getModificationTime(), length));
            }
        }
        return splits;
    }
}
