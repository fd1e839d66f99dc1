// A file with one slot per process, mapped by all. A process that was killed leaves its slot
// behind; the others see by pid and start time that nobody owns it any more.

#include "usage.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace pretend {

namespace {

constexpr int SLOTS = 512;

struct Slot {
    std::atomic<int> pid;
    std::atomic<uint64_t> started;
    std::array<std::atomic<size_t>, MOST_DEVICES> bytes;
};

struct Table {
    int file = -1;
    Slot* slots = nullptr;
    Slot* own = nullptr;
};

Table& table() {
    static auto* it = new Table;
    return *it;
}

// The start time of a process in ticks, or 0 without such a process.
uint64_t start_of(int pid) {
    std::ifstream file(c10::str("/proc/", pid, "/stat"));
    std::string line;
    if (!std::getline(file, line)) return 0;
    // The name, in parentheses, may hold anything.
    std::stringstream rest(line.substr(line.rfind(')') + 1));
    std::string word;
    for (int field = 3; field <= 22; field++) rest >> word;
    return strtoull(word.c_str(), nullptr, 10);
}

void free_dead_slots(Table& t) {
    for (int i = 0; i < SLOTS; i++) {
        auto& slot = t.slots[i];
        int pid = slot.pid;
        if (pid == 0 || &slot == t.own || start_of(pid) == slot.started) continue;
        for (auto& bytes : slot.bytes) bytes = 0;
        slot.pid = 0;
    }
}

void claim_slot(Table& t) {
    flock(t.file, LOCK_EX);
    free_dead_slots(t);
    for (int i = 0; i < SLOTS && !t.own; i++) {
        if (t.slots[i].pid != 0) continue;
        t.own = &t.slots[i];
        for (auto& bytes : t.own->bytes) bytes = 0;
        t.own->started = start_of(getpid());
        t.own->pid = getpid();
    }
    flock(t.file, LOCK_UN);
}

Table& opened_table() {
    auto& t = table();
    static const char* path = setting("SHARED");
    if (t.file == -1 && path) {
        t.file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        size_t size = SLOTS * sizeof(Slot);
        if (t.file < 0 || ftruncate(t.file, size)) {
            t.file = -2;
            return t;
        }
        void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, t.file, 0);
        t.slots = at == MAP_FAILED ? nullptr : static_cast<Slot*>(at);
    }
    if (t.slots && !t.own) claim_slot(t);
    return t;
}

// Removes the files of processes that could not do so.
void remove_stale_files() {
    std::error_code none;
    for (auto& entry : std::filesystem::directory_iterator("/dev/shm", none)) {
        int pid = 0;
        unsigned long long started = 0;
        auto name = entry.path().filename().string();
        int read = sscanf(name.c_str(), "res2lab-pretend-%d-%llu", &pid, &started);
        if (read == 2 && start_of(pid) != started) unlink(entry.path().c_str());
    }
}

size_t sum(Table& t, int physical) {
    size_t all = 0;
    for (int i = 0; i < SLOTS; i++) {
        if (t.slots[i].pid) all += t.slots[i].bytes[physical];
    }
    return all;
}

}  // namespace

size_t add_usage(int physical, size_t bytes, size_t limit, bool* fits) {
    auto& t = opened_table();
    *fits = true;
    if (!t.own) return bytes;
    // Added before it is summed, so that two processes cannot both take the last bytes.
    t.own->bytes[physical] += bytes;
    size_t all = sum(t, physical);
    if (all <= limit) return all;
    free_dead_slots(t);
    all = sum(t, physical);
    *fits = all <= limit;
    if (!*fits) t.own->bytes[physical] -= bytes;
    return all;
}

void remove_usage(int physical, size_t bytes) {
    auto& t = table();
    if (!t.own) return;
    // After a fork the child may free what its parent allocated.
    auto& used = t.own->bytes[physical];
    used -= std::min<size_t>(bytes, used);
}

void start_usage() {
    // The first process makes the file; those that it starts inherit the variable. So the trials
    // of one sweep share devices, and two tests that run side by side do not.
    static std::string made;
    if (!setting("SHARED")) {
        made = c10::str("/dev/shm/res2lab-pretend-", getpid(), "-", start_of(getpid()));
        remove_stale_files();
        setenv("RES2LAB_PRETEND_SHARED", made.c_str(), 1);
        static int owner = getpid();
        atexit([] {
            if (getpid() == owner) unlink(made.c_str());
        });
    }
    // What the parent uses is not the child's.
    pthread_atfork(nullptr, nullptr, [] { table().own = nullptr; });
}

}  // namespace pretend
