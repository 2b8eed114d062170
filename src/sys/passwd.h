// /etc/passwd without NSS: a static binary cannot load NSS modules, and asking them would cost more
// than the rest of the start-up. Accounts that only a directory service knows have $HOME.
#ifndef MINI_SANDBOX_SYS_PASSWD_H_
#define MINI_SANDBOX_SYS_PASSWD_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

namespace mini {

// The home directory of the first account with that uid in the text of a passwd(5) file.
std::optional<std::string> HomeFromPasswd(std::string_view passwd_text, uid_t uid);

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_PASSWD_H_
