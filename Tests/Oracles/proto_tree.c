// Prints ONNX models as canonical text, decoded by libprotobuf-c from the public schema: an independent
// opinion on what our own reader finds in the same bytes. Built by build-proto-tree.sh.
//
// One line per value, fields in the order of their numbers:
//   N i VALUE          int32, int64, enum            N f BITS        float, as eight hexadecimal digits
//   N s COUNT HASH     string or bytes               N n COUNT HASH  repeated numbers, little-endian
//   N {  ...  }        message                       ? N W COUNT HASH  unknown field of wire type W
// HASH is FNV-1a, 64 bits. Several files are told apart by lines "== PATH".

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnx-ml.pb-c.h"

static const uint64_t hash_start = 0xcbf29ce484222325ULL;

static uint64_t hash_more(uint64_t hash, const void *bytes, size_t count) {
  const uint8_t *next = bytes;
  for (size_t i = 0; i < count; i++) hash = (hash ^ next[i]) * 0x100000001b3ULL;
  return hash;
}

static void print_bytes(uint32_t number, const void *bytes, size_t count) {
  printf("%u s %zu %016" PRIx64 "\n", number, count, hash_more(hash_start, bytes, count));
}

static void print_message(const ProtobufCMessage *message);

static size_t width_of(ProtobufCType type) {
  switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_DOUBLE:
      return 8;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_FLOAT:
      return 4;
    default:
      return 0;
  }
}

static void print_value(const ProtobufCFieldDescriptor *field, const void *value) {
  switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_ENUM:
      printf("%u i %" PRId32 "\n", field->id, *(const int32_t *)value);
      break;
    case PROTOBUF_C_TYPE_INT64:
      printf("%u i %" PRId64 "\n", field->id, *(const int64_t *)value);
      break;
    case PROTOBUF_C_TYPE_FLOAT:
      printf("%u f %08" PRIx32 "\n", field->id, *(const uint32_t *)value);
      break;
    case PROTOBUF_C_TYPE_STRING: {
      const char *text = *(char *const *)value;
      print_bytes(field->id, text, strlen(text));
      break;
    }
    case PROTOBUF_C_TYPE_BYTES: {
      const ProtobufCBinaryData *data = value;
      print_bytes(field->id, data->data, data->len);
      break;
    }
    case PROTOBUF_C_TYPE_MESSAGE:
      printf("%u {\n", field->id);
      print_message(*(ProtobufCMessage *const *)value);
      printf("}\n");
      break;
    default:
      fprintf(stderr, "the schema has a field of a type that this program does not know: %s\n", field->name);
      exit(2);
  }
}

static int is_present(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
  const char *base = (const char *)message;
  if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
    return *(const uint32_t *)(base + field->quantifier_offset) == field->id;
  if (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE)
    return *(void *const *)(base + field->offset) != NULL;
  return *(const protobuf_c_boolean *)(base + field->quantifier_offset);
}

static size_t element_width(ProtobufCType type) {
  if (type == PROTOBUF_C_TYPE_BYTES) return sizeof(ProtobufCBinaryData);
  return sizeof(void *);
}

static void print_field(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
  const char *base = (const char *)message;
  if (field->label != PROTOBUF_C_LABEL_REPEATED) {
    if (is_present(message, field)) print_value(field, base + field->offset);
    return;
  }
  size_t count = *(const size_t *)(base + field->quantifier_offset);
  const char *elements = *(char *const *)(base + field->offset);
  size_t width = width_of(field->type);
  if (count == 0) return;
  if (width != 0) {
    printf("%u n %zu %016" PRIx64 "\n", field->id, count, hash_more(hash_start, elements, count * width));
    return;
  }
  width = element_width(field->type);
  for (size_t i = 0; i < count; i++) print_value(field, elements + i * width);
}

static void print_message(const ProtobufCMessage *message) {
  const ProtobufCMessageDescriptor *descriptor = message->descriptor;
  for (unsigned i = 0; i < descriptor->n_fields; i++) {
    if (i > 0 && descriptor->fields[i - 1].id >= descriptor->fields[i].id) {
      fprintf(stderr, "the generated fields of %s are not sorted\n", descriptor->name);
      exit(2);
    }
    print_field(message, &descriptor->fields[i]);
  }
  for (unsigned i = 0; i < message->n_unknown_fields; i++) {
    const ProtobufCMessageUnknownField *unknown = &message->unknown_fields[i];
    printf("? %u %u %zu %016" PRIx64 "\n", unknown->tag, (unsigned)unknown->wire_type, unknown->len,
           hash_more(hash_start, unknown->data, unknown->len));
  }
}

static int print_file(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) return perror(path), 1;
  long count = ftell(file);
  rewind(file);
  uint8_t *bytes = malloc(count > 0 ? (size_t)count : 1);
  if (bytes == NULL || fread(bytes, 1, (size_t)count, file) != (size_t)count) return perror(path), 1;
  fclose(file);
  Onnx__ModelProto *model = onnx__model_proto__unpack(NULL, (size_t)count, bytes);
  free(bytes);
  printf("== %s\n", path);
  if (model == NULL) {
    printf("unreadable\n");
    return 0;
  }
  print_message(&model->base);
  onnx__model_proto__free_unpacked(model, NULL);
  return 0;
}

int main(int count, char **arguments) {
  for (int i = 1; i < count; i++) {
    if (print_file(arguments[i]) != 0) return 1;
  }
  return 0;
}
