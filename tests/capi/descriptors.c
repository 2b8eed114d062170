#include "descriptors.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

void print_descriptors(const char* when) {
  DIR* directory = opendir("/proc/self/fd");
  printf("descriptors %s:", when);
  for (struct dirent* entry; (entry = readdir(directory)) != NULL;) {
    if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(directory)) {
      printf(" %s", entry->d_name);
    }
  }
  printf("\n");
  closedir(directory);
}
