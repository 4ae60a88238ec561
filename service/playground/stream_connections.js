/**
 * The connections that streams may take. A browser opens six to one service, for all of its tabs: were all of them
 * streams, nothing else would come through. Knows nothing of what is streamed.
 */

const STREAMS_OF_ALL_TABS = 4;

/**
 * Not now where the other tabs have all connections that there are for streams. Locks tell: a page that came over plain
 * http has none, and streams in any case.
 *
 * @param {() => Promise<void>} stream
 */
export async function withConnection(stream) {
  if (!navigator.locks) return stream();
  for (let slot = 0, isDone = false; slot < STREAMS_OF_ALL_TABS && !isDone; slot++) {
    await navigator.locks.request(`darkroom-stream-${slot}`, { ifAvailable: true }, async (lock) => {
      isDone = lock !== null;
      if (lock) await stream();
    });
  }
}
