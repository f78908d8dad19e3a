/// How the tokens of one window are cut at their timestamps, and how far the next window is.
///
/// Source: the long-form transcription of the Whisper paper (section 4.5 and the program published with it).
package struct WindowCut: Equatable {
  /// Tokens that were said together.
  package struct Part: Equatable {
    package let tokens: Range<Int>
    /// Seconds from the window's beginning.
    package let start: Double
    package let end: Double
  }

  package let parts: [Part]
  /// By how many mel frames the next window is later: 1 or more, and no more than this one has.
  package let frameAdvance: Int

  /// Two mel frames make one position of the encoder, and one step of a timestamp.
  private static let framesPerTimestamp = 2

  /// Cuts at pairs of timestamps.
  ///
  /// - Parameters:
  ///   - times: for each token the seconds that it means, nil for words.
  ///   - frameCount: of the window, 100 a second.
  package init(times: [Double?], frameCount: Int) {
    func isTime(_ index: Int) -> Bool { times.indices.contains(index) && times[index] != nil }
    let duration = Double(frameCount) / 100
    var ends = times.indices.dropFirst().filter { isTime($0 - 1) && isTime($0) }
    let endsWithOneTime = isTime(times.count - 1) && !isTime(times.count - 2)
    guard !ends.isEmpty else {
      var end = duration
      if let last = times.compactMap({ $0 }).last, last > 0 { end = last }
      parts = [Part(tokens: times.indices, start: 0, end: end)]
      frameAdvance = frameCount
      return
    }
    if endsWithOneTime { ends.append(times.count) }
    var start = 0
    var parts: [Part] = []
    for end in ends {
      parts.append(Part(tokens: start..<end, start: times[start] ?? 0, end: times[end - 1] ?? duration))
      start = end
    }
    // What follows the last pair is heard again, from its beginning.
    let last = times[start - 1] ?? duration
    let advance = Int((last / Timestamp.secondsPerStep).rounded()) * Self.framesPerTimestamp
    if !endsWithOneTime, advance > 0 {
      frameAdvance = min(advance, frameCount)
    } else {
      // A pair at the window's beginning would have the same window heard for ever; it is taken as it is.
      if start < times.count { parts.append(Part(tokens: start..<times.count, start: last, end: duration)) }
      frameAdvance = frameCount
    }
    self.parts = parts
  }
}
