import Foundation
import TestSupport
import Testing
import Whisper

@Suite("Tokens that steer the model")
struct TextSpecialTokensTests {
  private func settings(_ files: [String: String]) throws -> GenerationSettings {
    let folder = try TemporaryFolder()
    for (name, text) in files { try folder.write(text.utf8, to: name) }
    return try GenerationSettings(folder: folder.path)
  }

  private func message(_ work: () throws -> Void) -> String {
    do {
      try work()
      return "no error"
    } catch {
      return (error as? TextError)?.message ?? "\(error)"
    }
  }

  private var first: Int { TinyTokenizer.vocabulary.count }

  @Test("make a prompt of language, task and timestamps")
  func prompt() throws {
    let special = try SpecialTokens(TinyTokenizer.load(), GenerationSettings())
    #expect(special.isMultilingual)
    let portuguese = try special.language("Portuguese")
    #expect(portuguese == (try special.language("pt")))
    #expect(
      try special.prompt(language: portuguese, task: .translate, timestamps: .none)
        == [first + 1, first + 3, first + 4, first + 7])
    #expect(
      try special.prompt(language: .english, task: .transcribe, timestamps: .segments)
        == [first + 1, first + 2, first + 5])
    #expect(special.endOfText == first)
    #expect(special.noSpeech == first + 6)
    #expect(special.startOfPrevious == nil)
  }

  @Test("of an English-only model are the start alone, and other wishes are refused")
  func englishOnly() throws {
    let special = try SpecialTokens(
      TinyTokenizer.load(), settings(["generation_config.json": #"{"is_multilingual": false}"#]))
    #expect(
      try special.prompt(language: .english, task: .transcribe, timestamps: .none) == [first + 1, first + 7])
    #expect(try special.prompt(language: .english, task: .transcribe, timestamps: .segments) == [first + 1])
    #expect(
      message { _ = try special.language("pt") }.contains(
        "transcribes English only, so it cannot transcribe portuguese"))
    #expect(
      message { _ = try special.prompt(language: .english, task: .translate, timestamps: .none) }
        .contains("transcribes English only, so it cannot translate"))
  }

  @Test("refuse a language that nobody has and one that the model lacks")
  func languages() throws {
    let special = try SpecialTokens(TinyTokenizer.load(), GenerationSettings())
    #expect(
      message { _ = try special.language("klingon") }.contains("no language of Whisper is called 'klingon'"))
    #expect(message { _ = try special.language("de") }.contains("no token for the language german"))
    #expect(special.languages == ["en": first + 2, "pt": first + 3])
    #expect(Language("Flemish")?.code == "nl")
    #expect(Language("haitian creole")?.code == "ht")
    #expect(Language.all.count == 100)
    #expect(Set(Language.all.map(\.code)).count == 100)
  }

  @Test("say times in steps of 0.02 seconds")
  func timestamps() throws {
    let special = try SpecialTokens(TinyTokenizer.load(), GenerationSettings())
    let begin = try #require(special.timestampBegin)
    #expect(begin == first + 8)
    #expect(special.timestampCount == 3)
    #expect(special.seconds(of: begin + 1) == 0.02)
    #expect(special.seconds(of: begin + 3) == nil)
    #expect(special.seconds(of: begin - 1) == nil)
    #expect(special.timestamp(seconds: 0.031) == begin + 2)
    #expect(special.timestamp(seconds: 0.06) == nil)
    #expect(special.timestamp(seconds: .nan) == nil)
  }

  @Test("are read from generation_config.json, and from config.json what it lacks")
  func bothFiles() throws {
    let read = try settings([
      "generation_config.json": """
      {"eos_token_id": 9, "lang_to_id": {"<|en|>": 37}, "task_to_id": {"transcribe": 40}, "suppress_tokens": [1, 2],
       "begin_suppress_tokens": [220, 9], "no_timestamps_token_id": 42, "max_initial_timestamp_index": 50,
       "is_multilingual": true, "forced_decoder_ids": [[1, null], [2, 40]], "max_length": 448, "prev_sot_token_id": null}
      """,
      "config.json":
        #"{"eos_token_id": 8, "decoder_start_token_id": 36, "vocab_size": 46, "suppress_tokens": [7]}"#,
    ])
    #expect(read.endTokens == [9])
    #expect(read.decoderStartToken == 36)
    #expect(read.vocabularySize == 46)
    #expect(read.suppressedTokens == [1, 2])
    #expect(read.beginSuppressedTokens == [220, 9])
    #expect(read.languageTokens == ["<|en|>": 37])
    #expect(read.taskTokens == ["transcribe": 40])
    #expect(read.noTimestampsToken == 42)
    #expect(read.maximumInitialTimestamp == 50)
    #expect(read.maximumLength == 448)
    #expect(read.isMultilingual == true)
    #expect(read.forcedTokens.map(\.position) == [1, 2])
    #expect(read.forcedTokens.map(\.token) == [nil, 40])
    #expect(try settings([:]) == GenerationSettings())
  }

  @Test(
    "are refused with file and field when they are something else",
    arguments: [
      (#"{"eos_token_id": "x"}"#, "eos_token_id is \"x\"; expected a token id"),
      (#"{"suppress_tokens": [1, null]}"#, "suppress_tokens[1] is null; expected a token id"),
      (#"{"lang_to_id": [1]}"#, "lang_to_id is a list; expected an object"),
      (#"{"lang_to_id": {"<|en|>": -4}}"#, "lang_to_id[\"<|en|>\"] is -4; expected a token id"),
      (#"{"is_multilingual": 1}"#, "is_multilingual is 1; expected true or false"),
      (#"{"forced_decoder_ids": [[1]]}"#, "forced_decoder_ids[0] is a list; expected a pair"),
      (#"{"max_length": -1}"#, "max_length is -1; expected a whole number of 0 or more"),
    ])
  func wrongFields(_ text: String, _ sentence: String) {
    let found = message { _ = try settings(["generation_config.json": text]) }
    #expect(found.contains("generation_config.json: " + sentence))
  }

  @Test("are refused when tokenizer and settings are of different models")
  func contradiction() throws {
    let other = try settings(["generation_config.json": #"{"eos_token_id": 50257}"#])
    #expect(
      message { _ = try SpecialTokens(TinyTokenizer.load(), other) }
        .contains(
          "the id of <|endoftext|> is 35; expected 50257, as generation_config.json or config.json says"))
    #expect(
      message {
        _ = try SpecialTokens(TinyTokenizer.load { $0["added_tokens"] = [Any]() }, GenerationSettings())
      }
      .contains("the tokenizer has no token <|startoftranscript|>, which Whisper needs"))
  }

  @Test("of the published models have the published ids and leave out the published tokens")
  func published() throws {
    let program = """
      from transformers.models.whisper import configuration_whisper as published
      answer = [published.NON_SPEECH_TOKENS, published.NON_SPEECH_TOKENS_MULTI]
      """
    let folders = try ["whisper-tiny.en", "whisper-tiny"].map { try SharedData.path("tokenizers/" + $0) }
    let lists: [[Int]] = try TextOracle.answer(program, 0, modules: ["transformers"])
    for (folder, expected) in zip(folders, lists) {
      let special = try SpecialTokens(Tokenizer.load(folder), GenerationSettings(folder: folder))
      // The published lists have the steering tokens too, but not all in every version.
      #expect(
        special.suppressed.filter { $0 < special.endOfText } == expected.filter { $0 < special.endOfText })
    }
    let english = try SpecialTokens(Tokenizer.load(folders[0]), GenerationSettings(folder: folders[0]))
    #expect(!english.isMultilingual)
    #expect(try english.prompt(language: .english, task: .transcribe, timestamps: .none) == [50257, 50362])
    #expect(english.timestampBegin == 50363)
    let large = try SharedData.path("tokenizers/whisper-large-v3")
    let multilingual = try SpecialTokens(Tokenizer.load(large), GenerationSettings(folder: large))
    #expect(multilingual.languages.count == 100)
    #expect(multilingual.timestampCount == 1501)
    #expect(multilingual.beginSuppressed == [220, 50257])
    #expect(
      try multilingual.prompt(language: multilingual.language("pt"), task: .transcribe, timestamps: .none)
        == [50258, 50267, 50360, 50364])
  }

  @Test("of the digits model are an English-only model's without timestamps")
  func digits() throws {
    let folder = try SharedData.path("digits/onnx")
    let special = try SpecialTokens(Tokenizer.load(folder), GenerationSettings(folder: folder))
    #expect(!special.isMultilingual)
    #expect(special.timestampBegin == nil)
    #expect(special.suppressed == [57, 58, 59, 60, 61, 62])
    #expect(special.beginSuppressed == [0, 56])
    #expect(try special.prompt(language: .english, task: .transcribe, timestamps: .none) == [57, 63])
  }
}
