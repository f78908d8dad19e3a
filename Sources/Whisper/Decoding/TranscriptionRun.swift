import Tensors

/// One recording on its way to text, window by window.
///
/// Source: the long-form transcription of the Whisper paper (section 4.5 and the program published with it): a
/// window is 30 s, and the next begins where the last whole segment ended.
struct TranscriptionRun {
  private let transcriber: Transcriber
  private let options: DecodingOptions
  private let samples: [Float]
  private let mode: TimestampMode
  private var random: SeededNumbers
  private var language: Language?
  private var segments: [Transcription.Segment] = []
  private var tokens: [Int] = []
  /// What the next window is told: tokens of the initial prompt and of earlier windows.
  private var context: [Int] = []
  private var windowCount = 0
  private var retryCount = 0
  private var truncations: [Transcription.Truncation] = []

  private static let framesPerSecond = 100.0

  init(
    _ transcriber: Transcriber, _ samples: [Float], _ options: DecodingOptions
  ) throws(DecodingError) {
    self.transcriber = transcriber
    self.options = options
    self.samples = samples
    random = SeededNumbers(seed: options.seed, name: "sampling")
    let special = transcriber.special
    let isLong = samples.count > transcriber.model.frameCount * LogMel.samplesPerFrame
    if options.timestamps == .segments, special.timestampBegin == nil {
      throw DecodingError(
        .request, "\(special.source): the vocabulary has no timestamps; leave --timestamps away")
    }
    mode = (isLong || options.timestamps == .segments) && special.timestampBegin != nil ? .segments : .none
    guard !options.temperatures.isEmpty else {
      throw DecodingError(.request, "decoding needs a temperature at least, such as 0")
    }
    if let language = options.language {
      do { self.language = try special.language(language) } catch {
        throw DecodingError(.request, error.message)
      }
    }
    if let prompt = options.initialPrompt {
      guard special.startOfPrevious != nil else {
        throw DecodingError(
          .request, "\(special.source): the vocabulary has no <|startofprev|>, so the model takes no prompt")
      }
      context = transcriber.tokenizer.encode(" " + Transcription.trimmed(prompt))
    }
  }

  /// Decodes everything.
  mutating func decode(_ onText: (String) -> Void) throws(DecodingError) -> Transcription {
    let windowFrames = transcriber.model.frameCount
    let perFrame = LogMel.samplesPerFrame
    if samples.count <= windowFrames * perFrame {
      let frames = (samples.count + perFrame - 1) / perFrame
      // Audio of a frame or less holds nothing that could be said.
      if frames > 1 { _ = try window(transcriber.features(of: samples), at: 0, frames, onText) }
    } else {
      let recording = transcriber.recording(of: samples)
      defer { transcriber.forget() }
      var frame = 0
      while frame < recording.frameCount {
        let count = min(windowFrames, recording.frameCount - frame)
        frame += try window(
          recording.window(at: frame, frameCount: windowFrames), at: frame, count, onText)
      }
    }
    return Transcription(
      language: language?.code, segments: segments, tokens: tokens,
      seconds: Double(samples.count) / Double(AudioClip.sampleRate), windowCount: windowCount,
      retryCount: retryCount, truncations: truncations)
  }

  // MARK: One window

  /// Decodes a window and returns by how many frames the next one is later.
  private mutating func window(
    _ features: TensorContent, at frame: Int, _ frameCount: Int, _ onText: (String) -> Void
  ) throws(DecodingError) -> Int {
    let audio = try transcriber.encode(features)
    let language: Language
    if let known = self.language {
      language = known
    } else {
      language = try transcriber.detectLanguage(audio).language
      self.language = language
    }
    windowCount += 1
    let best = try search(audio, language, onText)
    if isSilence(best.result) { return frameCount }
    let earlier = segments.count
    let advance = cut(best, at: frame, frameCount)
    // What the next window of a long recording hears again is not lost.
    let isHeardAgain =
      samples.count > transcriber.model.frameCount * LogMel.samplesPerFrame
      && advance < frameCount
    if let limit = best.truncation, !isHeardAgain {
      truncations.append(
        Transcription.Truncation(start: Double(frame) / Self.framesPerSecond, limit: limit))
    }
    let new = segments[earlier...]
    if !best.isStreamed { for segment in new { onText(segment.text) } }
    let newTokens = new.flatMap(\.tokens)
    tokens += newTokens
    // A text that was found at a high temperature is no good example.
    let isExample = options.context == .previousText && best.temperature <= 0.5
    context = isExample ? context + newTokens : []
    return advance
  }

  /// The text of one window, and how it was found.
  private struct Found {
    let result: GreedySearch.Result
    let temperature: Float
    let compressionRatio: Double
    let isStreamed: Bool
    /// What kept the text from ending by itself.
    let truncation: Transcription.Truncation.Limit?
  }

  private mutating func search(
    _ audio: EncodedAudio, _ language: Language, _ onText: (String) -> Void
  ) throws(DecodingError) -> Found {
    let special = transcriber.special
    let steering = try steering(language)
    let limit = transcriber.lengthLimit
    var prompt = steering
    if !context.isEmpty, let token = special.startOfPrevious {
      // Half of the room is for what was said before.
      prompt = [token] + context.suffix(max(0, limit / 2 - 1)) + steering
    }
    let search = GreedySearch(
      decoder: transcriber.model.decoder, special: special, rules: rules, lengthLimit: limit,
      tokenLimit: options.tokenLimit)
    // Of a window that is decoded again, or heard again from some place on, the end is not known yet.
    let streams = mode == .none && options.temperatures.count == 1 && options.noSpeechLimit == nil
    var found: Found?
    for (turn, temperature) in options.temperatures.enumerated() {
      if turn > 0 { retryCount += 1 }
      var text = StreamingText(transcriber.tokenizer, special: .skipWithTimestamps)
      let result = try search.run(audio, prompt: prompt, temperature: temperature, random: &random) { token in
        if streams { onText(text.append(token)) }
      }
      if streams { onText(text.finish()) }
      let ratio = Repetition.compressionRatio(of: self.text(result.tokens))
      found = Found(
        result: result, temperature: temperature, compressionRatio: ratio, isStreamed: streams,
        truncation: truncation(of: result, promptCount: prompt.count))
      if passes(result, ratio) { break }
    }
    guard let found else { throw DecodingError(.request, "decoding needs a temperature at least, such as 0") }
    return found
  }

  /// What was too small for a text that did not end; nil for one that reached the limit of Whisper itself.
  private func truncation(
    of result: GreedySearch.Result, promptCount: Int
  ) -> Transcription.Truncation.Limit? {
    let count = result.tokens.count
    guard !result.isFinished, count < Transcriber.usualTextLength,
      promptCount + count < transcriber.ownLengthLimit
    else { return nil }
    if let limit = options.tokenLimit, count >= limit { return .option(limit) }
    if let limit = transcriber.model.tokenLimit, promptCount + count >= limit { return .caches(limit) }
    return nil
  }

  /// The tokens that say what is wanted, for a language by code; nil is the option's, else English.
  func steering(_ code: String?) throws(DecodingError) -> [Int] {
    do {
      let language = try (code ?? options.language).map { (text) throws(TextError) in
        try transcriber.special.language(text)
      }
      return try steering(language ?? .english)
    } catch let error as TextError {
      throw DecodingError(.request, error.message)
    } catch let error as DecodingError {
      throw error
    } catch {
      throw DecodingError(.request, "\(error)")
    }
  }

  private func steering(_ language: Language) throws(DecodingError) -> [Int] {
    do {
      return try transcriber.special.prompt(language: language, task: options.task, timestamps: mode)
    } catch {
      throw DecodingError(.request, error.message)
    }
  }

  var rules: TokenRules {
    let special = transcriber.special
    var timestamps: TokenRules.Timestamps?
    if mode == .segments, let begin = special.timestampBegin {
      timestamps = TokenRules.Timestamps(
        begin: begin, latestFirst: transcriber.settings.maximumInitialTimestamp ?? 50,
        noTimestamps: special.noTimestamps)
    }
    return TokenRules(
      endOfText: special.endOfText, suppressed: special.suppressed,
      beginSuppressed: special.beginSuppressed, timestamps: timestamps)
  }

  private func passes(_ result: GreedySearch.Result, _ ratio: Double) -> Bool {
    if let limit = options.noSpeechLimit, let silence = result.noSpeechProbability, silence > limit,
      options.logProbabilityLimit.map({ result.averageLogProbability < $0 }) ?? true
    {
      return true
    }
    if let limit = options.compressionRatioLimit, ratio > limit { return false }
    if let limit = options.logProbabilityLimit, result.averageLogProbability < limit { return false }
    return true
  }

  private func isSilence(_ result: GreedySearch.Result) -> Bool {
    guard let limit = options.noSpeechLimit, let silence = result.noSpeechProbability, silence > limit else {
      return false
    }
    return options.logProbabilityLimit.map { result.averageLogProbability <= $0 } ?? true
  }

  private func text(_ tokens: some Sequence<Int>) -> String {
    transcriber.tokenizer.decode(tokens, special: .skipWithTimestamps)
  }

  // MARK: Segments

  /// Adds the segments of a window, and says how many frames of it are done with.
  private mutating func cut(_ found: Found, at frame: Int, _ frameCount: Int) -> Int {
    let tokens = found.result.tokens
    let offset = Double(frame) / Self.framesPerSecond
    // Without timestamps asked for, a token that looks like one says nothing.
    let times = tokens.map { mode == .segments ? transcriber.special.seconds(of: $0) : nil }
    let cut = WindowCut(times: times, frameCount: frameCount)
    for part in cut.parts { add(tokens[part.tokens], offset + part.start, offset + part.end, found) }
    return cut.frameAdvance
  }

  private mutating func add(_ tokens: ArraySlice<Int>, _ start: Double, _ end: Double, _ found: Found) {
    let text = text(tokens)
    guard !Transcription.trimmed(text).isEmpty else { return }
    segments.append(
      Transcription.Segment(
        start: start, end: max(start, end), text: text, tokens: Array(tokens), temperature: found.temperature,
        averageLogProbability: found.result.averageLogProbability, compressionRatio: found.compressionRatio,
        noSpeechProbability: found.result.noSpeechProbability))
  }
}
