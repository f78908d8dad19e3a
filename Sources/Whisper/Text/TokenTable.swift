/// The tokens of a vocabulary by id and by text, in flat arrays: a table of 50 000 tokens is made in a
/// millisecond or two.
struct TokenTable: Sendable {
  /// Above any vocabulary; ids size arrays, so a wild one must not pass.
  static let idLimit = 1 << 22

  /// The texts of all tokens, UTF-8, one after the other.
  private var pool: [UInt8] = []
  /// Where the text of each id lies in the pool; (-1, 0) for an id that no token has.
  private var places: [(start: Int32, count: Int32)] = []
  /// Ids by the hash of their text; -1 where the slot is free.
  private var slots: [Int32]
  private(set) var count = 0

  /// An empty table for about `capacity` tokens.
  init(capacity: Int) {
    var size = 16
    while size < capacity * 2 { size *= 2 }
    slots = [Int32](repeating: -1, count: size)
    places.reserveCapacity(capacity)
    pool.reserveCapacity(capacity * 8)
  }

  /// One more than the largest id.
  var idEnd: Int { places.count }

  /// Why a token could not be added.
  enum Collision { case id, text }

  /// Adds a token; says so when its id or text is there already. `id` is from 0 to `idLimit`.
  mutating func add(_ text: some Collection<UInt8>, id: Int) -> Collision? {
    if id < places.count, places[id].start >= 0 { return .id }
    if (count + 1) * 2 > slots.count { grow() }
    let start = pool.count
    pool += text
    let slot = slot(of: pool.span.extracting(start..<pool.count), Span())
    if slots[slot] >= 0 {
      pool.removeSubrange(start...)
      return .text
    }
    while places.count <= id { places.append((-1, 0)) }
    places[id] = (Int32(start), Int32(pool.count - start))
    slots[slot] = Int32(id)
    count += 1
    return nil
  }

  /// The text of a token.
  func text(of id: Int) -> ArraySlice<UInt8>? {
    guard id >= 0, id < places.count, places[id].start >= 0 else { return nil }
    let start = Int(places[id].start)
    return pool[start..<start + Int(places[id].count)]
  }

  /// The id of the token with this text.
  func id(of text: ArraySlice<UInt8>) -> Int? { id(of: text.span, Span()) }

  /// The id of the token with the text of two parts.
  func id(of first: Span<UInt8>, _ second: Span<UInt8>) -> Int? {
    let id = slots[slot(of: first, second)]
    return id < 0 ? nil : Int(id)
  }

  /// The slot that holds this text, or the free one where it belongs.
  private func slot(of first: Span<UInt8>, _ second: Span<UInt8>) -> Int {
    // FNV-1a; its low bits are the weak ones, so the high ones are mixed in.
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for index in first.indices { hash = (hash ^ UInt64(first[index])) &* 0x100_0000_01B3 }
    for index in second.indices { hash = (hash ^ UInt64(second[index])) &* 0x100_0000_01B3 }
    hash ^= hash >> 29
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: hash) & mask
    while slots[slot] >= 0, !holds(Int(slots[slot]), first, second) { slot = (slot + 1) & mask }
    return slot
  }

  private func holds(_ id: Int, _ first: Span<UInt8>, _ second: Span<UInt8>) -> Bool {
    let (start, count) = places[id]
    guard Int(count) == first.count + second.count else { return false }
    var at = Int(start)
    for index in first.indices {
      if pool[at] != first[index] { return false }
      at += 1
    }
    for index in second.indices {
      if pool[at] != second[index] { return false }
      at += 1
    }
    return true
  }

  private mutating func grow() {
    slots = [Int32](repeating: -1, count: slots.count * 2)
    for id in places.indices {
      guard let text = text(of: id) else { continue }
      slots[slot(of: text.span, Span())] = Int32(id)
    }
  }
}

/// What two tokens side by side become: rank (lower is first) and the new token.
struct PairTable: Sendable {
  struct Merge: Sendable, Equatable {
    let rank: Int
    let token: Int
  }

  /// Both tokens in one word; all ones where the slot is free.
  private var keys: [UInt64]
  private var merges: [(rank: Int32, token: Int32)]

  /// An empty table for at most `capacity` pairs.
  init(capacity: Int) {
    var size = 16
    while size < capacity * 2 { size *= 2 }
    keys = [UInt64](repeating: .max, count: size)
    merges = [(Int32, Int32)](repeating: (0, 0), count: size)
  }

  /// Sets what a pair becomes; the last word counts.
  mutating func set(_ left: Int, _ right: Int, _ merge: Merge) {
    let slot = slot(left, right)
    keys[slot] = Self.key(left, right)
    merges[slot] = (Int32(merge.rank), Int32(merge.token))
  }

  /// What a pair becomes; nil when it stays two tokens.
  func merge(_ left: Int, _ right: Int) -> Merge? {
    let slot = slot(left, right)
    if keys[slot] == .max { return nil }
    return Merge(rank: Int(merges[slot].rank), token: Int(merges[slot].token))
  }

  private static func key(_ left: Int, _ right: Int) -> UInt64 { UInt64(left) << 32 | UInt64(right) }

  private func slot(_ left: Int, _ right: Int) -> Int {
    let key = Self.key(left, right)
    let mask = keys.count - 1
    // Fibonacci hashing: the high half of the product depends on every bit of the key.
    var slot = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 32) & mask
    while keys[slot] != .max, keys[slot] != key { slot = (slot + 1) & mask }
    return slot
  }
}
