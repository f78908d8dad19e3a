import Foundation
import TestSupport
import Testing
import Whisper

@Suite("A tokenizer's file that cannot be used")
struct TextMalformedTests {
  /// The sentence that loading ends with, without the folder.
  private func message(_ files: [String: [UInt8]]) throws -> String {
    let folder = try TemporaryFolder()
    for (name, bytes) in files { try folder.write(bytes, to: name) }
    do {
      _ = try Tokenizer.load(folder.path)
      return "no error"
    } catch {
      return error.message.replacingOccurrences(of: folder.path + "/", with: "")
    }
  }

  private func message(_ change: (inout [String: Any]) -> Void) throws -> String {
    try message(["tokenizer.json": TinyTokenizer.json(change)])
  }

  @Test("that is not there is missed by name")
  func absent() throws {
    #expect(
      try message(["notes.txt": []]).hasSuffix(
        "no tokenizer lies in this folder; expected tokenizer.json, vocab.json with merges.txt, *.tiktoken or *tokens.txt"
      ))
    #expect(
      try message(["vocab.json": Array("{}".utf8)]).hasSuffix(
        "expected merges.txt beside vocab.json or tokenizer.json"))
  }

  @Test("that is no JSON is refused with the place")
  func noJSON() throws {
    #expect(
      try message(["tokenizer.json": Array("{\n  \"model\": {".utf8)]).hasPrefix(
        "tokenizer.json: line 2, column 13: "))
    #expect(
      try message(["tokenizer.json": Array("[]".utf8)])
        == "tokenizer.json: model is not there; expected the object of a BPE model")
  }

  @Test("of another kind is refused with what it holds")
  func otherKinds() throws {
    #expect(
      try message { $0.set("model", "type", "Unigram") }
        == "tokenizer.json: model.type is \"Unigram\", which is not supported; expected \"BPE\" (byte-level, as Whisper has)"
    )
    #expect(
      try message { $0["normalizer"] = ["type": "NFC"] }
        == "tokenizer.json: normalizer is of the type \"NFC\", which is not supported; expected null")
    #expect(
      try message { $0["pre_tokenizer"] = ["type": "Metaspace"] }
        == "tokenizer.json: pre_tokenizer is of the type \"Metaspace\", which is not supported; expected one of the type ByteLevel"
    )
    #expect(
      try message { $0["pre_tokenizer"] = ["type": "ByteLevel"] }
        == "tokenizer.json: pre_tokenizer.add_prefix_space is not there; expected true or false")
    #expect(try message { $0["decoder"] = NSNull() }.contains("decoder is null, which is not supported"))
    #expect(try message { $0.set("model", "byte_fallback", true) }.contains("model.byte_fallback is true"))
    #expect(try message { $0.set("model", "dropout", 0.1) }.contains("model.dropout is 0.1"))
    #expect(
      try message { $0.set("model", "end_of_word_suffix", "</w>") }.contains(
        "model.end_of_word_suffix is \"</w>\""))
  }

  @Test("with a wrong vocabulary is refused with the token")
  func vocabulary() throws {
    #expect(
      try message { $0.set("model", "vocab", [1]) }.contains("model.vocab is a list; expected an object"))
    #expect(
      try message { $0.set("model", "vocab", ["a": "x"]) }
        == "tokenizer.json: model.vocab[\"a\"] is \"x\"; expected a token id, a whole number from 0 to 4194303"
    )
    #expect(
      try message { $0.set("model", "vocab", ["a": -1]) }.contains(
        "model.vocab[\"a\"] is -1; expected a token id"))
    #expect(
      try message { $0.set("model", "vocab", ["a": 1e12]) }.contains(
        "model.vocab[\"a\"] is 1000000000000; expected"))
    #expect(
      try message { $0.set("model", "vocab", ["a": 1, "b": 1]) }.contains(
        "] is 1; expected an id of its own, for '"))
  }

  @Test("with a wrong merge is refused with its number")
  func merges() throws {
    #expect(
      try message { $0.set("model", "merges", ["h e", "he"]) }.contains(
        "model.merges[1] is 'he'; expected two tokens with one space"))
    #expect(try message { $0.set("model", "merges", ["a b c"]) }.contains("model.merges[0] is 'a b c'"))
    #expect(
      try message { $0.set("model", "merges", ["a z"]) }.contains(
        "expected tokens of the vocabulary, which has no 'z'"))
    #expect(try message { $0.set("model", "merges", ["b a"]) }.contains("which has no 'ba'"))
    #expect(
      try message { $0.set("model", "merges", [["a"]]) }.contains(
        "model.merges[0] is a list; expected two tokens"))
    #expect(
      try message { $0.set("model", "merges", [7]) }.contains("model.merges[0] is 7; expected two tokens"))
    #expect(
      try message { $0.set("model", "unk_token", "<unk>") }.contains(
        "model.unk_token is \"<unk>\"; expected a token of model.vocab"))
  }

  @Test("with wrong added tokens is refused with their number")
  func added() throws {
    #expect(try message { $0["added_tokens"] = 1 }.contains("added_tokens is 1; expected a list of tokens"))
    #expect(
      try message { $0.setAdded(3, "content", 4) }.contains("added_tokens[3].content is 4; expected the text")
    )
    #expect(
      try message { $0.setAdded(3, "id", NSNull()) }.contains(
        "added_tokens[3].id is null; expected a token id"))
    #expect(
      try message { $0.setAdded(3, "id", 35) }.contains(
        "added_tokens[3].id is 35; expected an id of its own, for '<|endoftext|>'"))
    #expect(
      try message { $0.setAdded(3, "id", 2) }.contains(
        "added_tokens[3].id is 2; expected an id of its own, for 'b'"))
    #expect(
      try message { $0.setAdded(3, "content", "hello") }.contains(
        "added_tokens[3].id is 38; expected 23, which the vocabulary gives"))
    #expect(
      try message { $0.setAdded(0, "special", "yes") }.contains(
        "added_tokens[0].special is \"yes\"; expected true or false"))
  }

  @Test("of ranks is refused with the line")
  func ranks() throws {
    func message(_ text: String) throws -> String { try self.message(["a.tiktoken": Array(text.utf8)]) }
    #expect(try message("") == "a.tiktoken: the file is empty; expected a token and its rank on every line")
    #expect(
      try message("IQ== 0\nIg==\n").contains(
        "line 2 is 'Ig=='; expected a token in base64, a space and its rank"))
    #expect(try message("I?== 0\n").contains("line 1 is 'I?== 0'"))
    #expect(try message("IQ== x\n").contains("the rank on line 1 is 'x'; expected a token id"))
    #expect(try message("IQ== 0\nIg== 0\n").contains("line 2 is 0; expected an id of its own, for '!'"))
    #expect(
      try message("IQ== 0\nIQ== 1\n").contains("line 2 is the token '!' again; expected every token once"))
  }

  @Test("never ends the program, whatever bytes are changed")
  func randomBytes() throws {
    var random = SplitMix64.forThisRun()
    let whole = try TinyTokenizer.json()
    let folder = try TemporaryFolder()
    var refused = 0
    for _ in 0..<400 {
      var bytes = whole
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0x20...0x7E, using: &random)
      }
      try folder.write(bytes, to: "tokenizer.json")
      do {
        let tokenizer = try Tokenizer.load(folder.path)
        let text = "hello the <|en|> abc"
        // Whatever was changed, a tokenizer that loads works.
        #expect(
          tokenizer.decode(tokenizer.encode(text), special: .keep).utf8.count <= text.utf8.count,
          "seed \(random.seed)")
      } catch {
        refused += 1
        #expect(error.message.contains("tokenizer.json: "), "seed \(random.seed)")
      }
    }
    #expect(refused > 0)
  }
}
