import Testing
import Whisper

@Suite("Names of Whisper sizes")
struct WhisperSizeTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let numbers: [Int?]
    let name: String?
    let alternatives: [String]

    /// The numbers are d, encoder layers, decoder layers, vocabulary, mels.
    init(_ numbers: [Int?], _ name: String?, _ alternatives: [String] = []) {
      self.numbers = numbers
      self.name = name
      self.alternatives = alternatives
    }

    var testDescription: String { "\(numbers.map { $0.map(String.init) ?? "-" }) is \(name ?? "nothing")" }
  }

  static let cases: [Case] = [
    // Whole models.
    Case([384, 4, 4, 51_865, 80], "tiny"), Case([384, 4, 4, 51_864, 80], "tiny.en"),
    Case([512, 6, 6, 51_865, 80], "base"), Case([768, 12, 12, 51_864, 80], "small.en"),
    Case([1024, 24, 24, 51_865, 80], "medium"), Case([1280, 32, 32, 51_865, 80], "large-v2", ["large-v1"]),
    Case([1280, 32, 32, 51_866, 128], "large-v3"), Case([1280, 32, 4, 51_866, 128], "large-v3-turbo"),
    Case([1280, 32, 2, 51_866, 128], "distil-large-v3"), Case([1280, 32, 2, 51_865, 80], "distil-large-v2"),
    Case([768, 12, 4, 51_864, 80], "distil-small.en"), Case([1024, 24, 2, 51_864, 80], "distil-medium.en"),
    // Encoders alone.
    Case([384, 4, nil, nil, 80], "tiny", ["tiny.en"]),
    Case([768, 12, nil, nil, 80], "small", ["small.en", "distil-small.en"]),
    Case([1280, 32, nil, nil, 128], "large-v3", ["large-v3-turbo", "distil-large-v3"]),
    Case([1280, 32, nil, nil, 80], "large-v2", ["large-v1", "distil-large-v2"]),
    // Decoders alone.
    Case([384, nil, 4, 51_864, nil], "tiny.en"), Case([512, nil, 6, nil, nil], "base", ["base.en"]),
    Case([1280, nil, 4, 51_866, nil], "large-v3-turbo"), Case([1280, nil, 4, nil, nil], "large-v3-turbo"),
    Case([1280, nil, 32, nil, nil], "large-v3", ["large-v2", "large-v1"]),
    // No published model.
    Case([384, 4, 4, 64, 80], "custom"), Case([384, 5, nil, nil, 80], "custom"),
    Case([400, 4, 4, 51_865, 80], "custom"), Case([1280, 32, 32, 51_866, 80], "custom"),
    Case([1280, 32, 32, 51_864, 80], "custom"), Case([384, 4, 4, 51_866, 80], "custom"),
    Case([512, 6, 2, 51_865, 80], "custom"), Case([1280, 32, 3, 51_866, 128], "custom"),
    Case([384, 4, nil, nil, 64], "custom"),
    Case([nil, 4, 4, 51_865, 80], nil),
  ]

  @Test("Dimensions name the published model, and every other that they fit", arguments: cases)
  func name(_ example: Case) {
    var dimensions = WhisperDimensions()
    dimensions.width = example.numbers[0]
    dimensions.encoderLayerCount = example.numbers[1]
    dimensions.decoderLayerCount = example.numbers[2]
    dimensions.vocabularyCount = example.numbers[3]
    dimensions.melCount = example.numbers[4]
    let size = WhisperSize.named(dimensions)
    #expect(size?.name == example.name)
    #expect(size?.alternatives ?? [] == example.alternatives)
  }

  @Test("Heads of another width than 64 are no published model")
  func headWidth() {
    var dimensions = WhisperDimensions()
    dimensions.width = 384
    dimensions.headWidth = 32
    #expect(WhisperSize.named(dimensions)?.name == "custom")
  }
}
